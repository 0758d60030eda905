import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { systemRandom } from '../../../src/base/random';
import { controlRollout } from '../../../src/ops/rollout/control';
import { type ControllerOptions, runRollout } from '../../../src/ops/rollout/controller';
import { openLease } from '../../../src/ops/rollout/lease';
import type { RecordWatch } from '../../../src/ops/rollout/record-store';
import { watchRollout } from '../../../src/ops/rollout/store';
import { pause } from '../../support/closers';
import { printFigure } from '../../support/figure';
import { scriptArgs } from '../../support/script';
import { reply, startScriptedConsul } from '../../support/scripted-consul';
import { clientOf, rolloutWorld } from './rollout-world';

const TTL_MS = 10_000;
/** Consul ends sessions some milliseconds late, and two busy cores are not always there. */
const SLACK_MS = 3000;
const TAKEOVERS = 24;
const STEPS = [{ setWeight: 5 }, { pause: {} }];

const world = rolloutWorld();

/** A controller in this process, until the test has ended. `client`: what it hears of changes by. */
function controller(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  watch: Partial<ControllerOptions['watch']>,
  client = world.client,
): ControllerOptions {
  const abort = new AbortController();
  const lease = openLease({ client: world.client, name: 'second', ttlSeconds: TTL_MS / 1000 });
  onTestFinished(async () => {
    abort.abort();
    await lease.close();
  });
  return {
    deps: world.deps({ name: 'second' }),
    lease,
    watch: { onRecord: () => {}, onRole: () => {}, onProblem: () => {}, ...watch },
    listen: (service: string, onChange: () => void): RecordWatch =>
      watchRollout(service, onChange, { client, clock: systemClock, random: systemRandom }),
    signal: abort.signal,
  };
}

/** When Consul has ended this session, by the clock of `performance.now()`. */
async function endOf(session: string): Promise<number> {
  const { address } = world.consul.dc('dc1');
  let index = '1';
  for (;;) {
    const answer = await fetch(`${address}/v1/session/info/${session}?wait=60s&index=${index}`);
    index = answer.headers.get('x-consul-index') ?? '1';
    if (((await answer.json()) as readonly unknown[]).length === 0) return performance.now();
  }
}

// Side by side: most of it is waiting for Consul.
describe.concurrent('a controller that stands by', { timeout: 60_000 }, () => {
  it('takes over within two session TTLs of a SIGKILL, as soon as Consul has ended the session', async ({
    expect,
    onTestFinished,
  }) => {
    const services = Array.from({ length: TAKEOVERS }, (_, at) => `left-${at}`);
    for (const service of services) await world.begin(service, { steps: STEPS });
    const warnings: string[] = [];
    const onWarning = ({ name }: Error): void => void warnings.push(name);
    process.on('warning', onWarning);
    onTestFinished(() => void process.off('warning', onWarning));
    const leading = new Set<string>();
    const leaders = spawn(process.execPath, scriptArgs(join(__dirname, 'fixtures', 'leaders.ts')), {
      // Over the time between two renewals, so that the sessions are of every age when they are left alone.
      env: {
        ...process.env,
        ...{ SERVICES: services.join(','), APART_MS: String(TTL_MS / 2), CONSUL: world.consul.dc('dc1').address },
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void leaders.kill('SIGKILL'));
    const led = new Promise<void>((resolve) => {
      leaders.stdout.on('data', (chunk: Buffer) => {
        for (const [, service = ''] of chunk.toString().matchAll(/leader (\S+)/g)) leading.add(service);
        if (leading.size === TAKEOVERS) resolve();
      });
    });
    await led;
    const tookOver = new Map<string, number>();
    const standing = new Set<string>();
    const second = controller(
      { onTestFinished },
      {
        onRole(service, role) {
          if (role === 'standby') standing.add(service);
          else tookOver.set(service, performance.now());
        },
      },
    );
    for (const service of services) void runRollout(service, second, false);
    const sessions = await Promise.all(services.map(async (service) => (await world.rollouts.read(service)).session));
    const ends = sessions.map((session) => endOf(session ?? ''));
    await expect.poll(() => standing.size, { timeout: 10_000 }).toBe(TAKEOVERS);
    expect(tookOver.size).toBe(0);
    const killedAt = performance.now();
    leaders.kill('SIGKILL');
    await once(leaders, 'close');
    const ended = await Promise.all(ends);
    await expect.poll(() => tookOver.size, { timeout: 5000 }).toBe(TAKEOVERS);
    const at = (service: string): number => tookOver.get(service) ?? Number.NaN;
    printFigure(
      'Consul has ended the session of a controller that was killed (TTL 10 s)',
      ended.map((end) => end - killedAt),
    );
    printFigure(
      'another controller leads, after that',
      services.map((service, index) => at(service) - (ended[index] ?? 0)),
    );
    const { most } = printFigure(
      'another controller leads, after SIGKILL',
      services.map((service) => at(service) - killedAt),
    );
    expect(most).toBeLessThan(2 * TTL_MS + SLACK_MS);
    expect(warnings).toEqual([]);
  });

  it('looks by itself when it cannot hear of changes', async ({ expect, onTestFinished }) => {
    const scripted = await startScriptedConsul();
    onTestFinished(() => scripted.stop());
    scripted.answer((_, response) => reply(response, { status: 500, body: 'No cluster leader' }));
    const deaf = clientOf(scripted.address);
    onTestFinished(() => deaf.close());
    await world.begin('unheard', { steps: STEPS });
    const first = await world.session();
    expect(await world.rollouts.lock('unheard', first.id, 'first')).toBe(true);
    const roles: string[] = [];
    const onRole = (_: string, role: string): void => void roles.push(role);
    void runRollout('unheard', controller({ onTestFinished }, { onRole }, deaf), false);
    await expect.poll(() => roles).toEqual(['standby']);
    await first.end();
    // A look that could be relied upon to be called would be five seconds away.
    await expect.poll(() => roles, { timeout: 3000 }).toEqual(['standby', 'leader']);
    expect(scripted.requests.every(({ path }) => path === '/v1/kv/graylane%2Frollouts%2Funheard')).toBe(true);
  });
});

describe.concurrent('a controller that drives', () => {
  it('goes on with another session when Consul has ended its own', async ({ expect, onTestFinished }) => {
    await world.begin('ended', { steps: STEPS });
    void runRollout('ended', controller({ onTestFinished }, {}), false);
    const holder = async (): Promise<string | undefined> => (await world.rollouts.read('ended')).session;
    await expect.poll(holder).toBeDefined();
    const session = await holder();
    const destroyed = await world.consul.dc('dc1').request('PUT', `/v1/session/destroy/${session}`);
    await destroyed.arrayBuffer();
    // Its next renewal, which would tell, is five seconds after the first.
    const isAnother = async (): Promise<boolean> => ![undefined, session].includes(await holder());
    await expect.poll(isAnother, { timeout: 3000 }).toBe(true);
  });

  it('hears at once of what people ask for', async ({ expect, onTestFinished }) => {
    await world.begin('asked', { steps: STEPS });
    let heardAt = Number.NaN;
    let why: string | undefined;
    void runRollout(
      'asked',
      controller(
        { onTestFinished },
        {
          onRecord(_, { progress: { state } }) {
            heardAt = performance.now();
            why = state.kind === 'paused' ? state.why : undefined;
          },
        },
      ),
      false,
    );
    await expect.poll(() => why).toBe('step');
    const { policies, rollouts } = world;
    const took: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      // At any moment between two looks.
      await pause(400 + 37 * round);
      const isPaused = why === 'operator';
      const asked = performance.now();
      const wish = isPaused ? 'resume' : 'pause';
      await controlRollout('asked', wish, { policies, rollouts, by: 'operator', now: Date.now });
      await expect.poll(() => why === 'operator', { interval: 5 }).toBe(!isPaused);
      took.push(heardAt - asked);
    }
    const { p50 } = printFigure('a controller hears of pause and resume', took);
    // Half a second by looking once a second.
    expect(p50).toBeLessThan(250);
  });
});
