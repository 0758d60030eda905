import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { credentials } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createGraylane } from '../../../src/index';
import { documentText } from '../../../src/ops/store/policy-text';
import { printFact, printFigure } from '../../support/figure';
import { paymentsClient, startPaymentsServer } from '../../support/payments';
import { rolloutOf, rolloutWorld, splitPolicy } from '../rollout/rollout-world';
import { builtCommand, cleanEnv } from './built-command';
import { startWriteSpy } from './write-spy';

const TTL_MS = 10_000;
/** Eight controllers start and die here at once, and two busy cores are not always there. */
const SLACK_MS = 3000;
const KILLED_AT_WRITES = [1, 3, 4, 5, 7, 8, 10, 13];

interface Controller {
  readonly pid: number;
  readonly text: string;
  kill(): void;
  ended: Promise<number | null>;
}

/** `graylane rollout run`, as it ships. Killed when the test has ended. */
function startController(args: readonly string[], address: string): Controller {
  const child = spawn(process.execPath, [builtCommand, 'rollout', 'run', ...args], {
    env: { ...cleanEnv(), CONSUL_HTTP_ADDR: address },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    pid: child.pid ?? 0,
    get text() {
      return text;
    },
    kill: () => child.kill('SIGKILL'),
    ended: once(child, 'close').then(([code]) => code as number | null),
  };
}

async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const PAUSES = { pause: { durationMs: 1000 } } as const;
const steps = [{ setWeight: 5 }, PAUSES, { setWeight: 25 }, PAUSES, { setWeight: 50 }, PAUSES, { setWeight: 100 }];

describe('controllers as processes', { timeout: 58_000 }, () => {
  const world = rolloutWorld();

  it('killed with SIGKILL in every step: another ends the rollout, no step twice, no weight skipped', async () => {
    const { address } = world.consul.dc('dc1');
    const services = KILLED_AT_WRITES.map((nth) => `killed-${nth}`);
    const killedAt = new Map<string, number>();
    for (const [at, service] of services.entries()) {
      for (const tag of ['stable', 'canary']) {
        const id = `${service}-${tag}`;
        await world.consul.dc('dc1').register({ name: service, id, port: 4000 + at, tags: [tag] });
      }
      await world.begin(service, { steps });
      const spy = await startWriteSpy(address);
      onTestFinished(() => spy.stop());
      const controller = startController([service], spy.address);
      let writes = 0;
      spy.onWrite = () => {
        writes += 1;
        if (writes !== KILLED_AT_WRITES[at]) return;
        // About when Consul has it: sometimes before, sometimes after.
        setTimeout(() => {
          controller.kill();
          killedAt.set(service, Date.now());
        }, at % 4);
      };
    }
    await until('all were killed', () => killedAt.size === services.length, 25_000);
    startController([], address);
    const isDone = async (service: string): Promise<boolean> => {
      return (await world.record(service)).progress.state.kind === 'completed';
    };
    await until('all have ended', async () => (await Promise.all(services.map(isDone))).every((done) => done), 40_000);
    const took: number[] = [];
    for (const service of services) {
      expect(await world.written(service)).toEqual([5, 25, 50, 100]);
      const { transitions } = await world.record(service);
      expect(transitions.map(({ number }) => number)).toEqual(transitions.map((_, at) => at + 1));
      const done = transitions.filter(({ event }) => event === 'setWeight').map(({ step }) => step);
      expect(done).toEqual([0, 2, 4, 6]);
      const drivers = [...new Set(transitions.map(({ by }) => by))].filter((by) => by !== 'tester');
      const after = transitions.findLast(({ by }) => by === drivers[0]);
      const next = transitions.find(({ number }) => number === (after?.number ?? 0) + 1);
      if (next !== undefined) took.push(Date.parse(next.at) - (killedAt.get(service) ?? 0));
    }
    const { most } = printFigure('another controller goes on after SIGKILL (session TTL 10 s)', took);
    expect(most).toBeLessThan(2 * TTL_MS + SLACK_MS);
  });
});

describe('Consul in the middle of a rollout', { timeout: 58_000 }, () => {
  const world = rolloutWorld({ mode: 'server' });

  it('frozen, then killed and started again: nothing moves, calls go on, the controller resumes', async () => {
    const agent = world.consul.dc('dc1');
    const service = 'payments';
    const servers = await Promise.all(['stable', 'canary'].map((version) => startPaymentsServer({ version })));
    for (const { host, port, version, stop } of servers) {
      onTestFinished(stop);
      // Without a check: an agent that was killed would bring a TTL check back as critical.
      const more = { Check: undefined };
      await agent.register({ name: service, id: version, address: host, port, tags: [version], more });
    }
    const six = [...steps.slice(0, 2), { setWeight: 25 }, { pause: { durationMs: 5000 } }, ...steps.slice(4)];
    await world.begin(service, { steps: six });
    const graylane = createGraylane({ consul: { address: agent.address }, stateDirectory: false });
    onTestFinished(() => graylane.close());
    const client = paymentsClient(graylane.target(service), graylane.clientOptions(), credentials.createInsecure());
    onTestFinished(() => client.close());
    await graylane.ready(service, { timeoutMs: 5000 });
    let calls = 0;
    let failed = 0;
    const load = setInterval(() => {
      calls += 1;
      client.charge({ order: 'o' }, (error) => {
        if (error !== null) failed += 1;
      });
    }, 20);
    onTestFinished(() => clearInterval(load));

    const controller = startController(['--once', service], agent.address);
    const isAt = async (weight: number): Promise<boolean> => (await world.record(service)).progress.weight === weight;
    await until('25 %', () => isAt(25), 20_000);
    agent.freeze();
    await new Promise((resolve) => setTimeout(resolve, 8000));
    agent.thaw();
    // Its pause was over long ago; it goes on from where it stood.
    expect(await isAt(25)).toBe(true);
    await until('50 %', () => isAt(50), 15_000);
    await agent.kill();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await agent.restart();
    expect(await controller.ended).toBe(0);
    expect(controller.text).toMatch(/payments: nothing moves: .*; goes on trying\n.*payments: goes on\n/s);
    expect(await world.written(service)).toEqual([5, 25, 50, 100]);
    printFact('calls while Consul was frozen and down in mid-rollout', `${calls}, ${failed} failed`);
    expect(failed).toBe(0);
    expect(calls).toBeGreaterThan(500);
  });

  it('two controllers: one drives, the other stands by and says so, and ends with the same result', async () => {
    const agent = world.consul.dc('dc1');
    const service = 'watched';
    await world.policies.write({
      ...{ before: await world.policy(service), kind: 'apply', author: 'me', message: 'x', time: new Date() },
      text: documentText(splitPolicy(service, 0)),
    });
    await world.begin(service, {
      steps: [{ setWeight: 5 }, { pause: { durationMs: 3000 } }],
      analysis: rolloutOf(service).analysis ?? {},
    });
    const both = [
      startController(['--once', service], agent.address),
      startController(['--once', service], agent.address),
    ];
    expect(await Promise.all(both.map(({ ended }) => ended))).toEqual([0, 0]);
    const said = both.map(({ text }) => text);
    expect(said.filter((text) => text.includes('this controller drives the rollout'))).toHaveLength(1);
    expect(
      said.filter((text) => /\(pid \d+ on .*drives the rollout; this controller stands by/.test(text)),
    ).toHaveLength(1);
    expect(await world.written(service)).toEqual([5, 100]);
  });
});
