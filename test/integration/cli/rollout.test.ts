import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Transition } from '../../../src/ops/rollout/record';
import { startLive } from './live-command';
import { commandWorld, policyOf } from './two-datacenters';

interface Status {
  readonly id: string;
  readonly state: { readonly kind: string; readonly message?: string };
  readonly step: number;
  readonly weight: number;
  readonly waitingFor?: string;
  readonly controller: string | null;
}

const world = commandWorld({ datacenters: ['dc1'] });

/** Registers as many instances of each and puts a policy with 0 % canary in force. */
async function serve(service: string, { stable = 2, canary = 2 } = {}): Promise<void> {
  const agent = world.consul.dc('dc1');
  let port = 4100;
  for (const [tag, count] of Object.entries({ stable, canary })) {
    for (let at = 0; at < count; at += 1) {
      await agent.register({ name: service, id: `${service}-${tag}-${at}`, port, tags: [tag] });
      port += 1;
    }
  }
  await agent.putKv(`graylane/policies/${service}`, JSON.stringify(policyOf(service, 0)));
}

/** A program that prints what stands in a file: what the figures are is for the test to say. */
function figures(service: string): { readonly run: readonly string[]; readonly set: (content: unknown) => void } {
  const path = world.file(`${service}-figures.json`, {});
  const set = (content: unknown): void => writeFileSync(path, JSON.stringify(content));
  return { run: [process.execPath, '-e', `process.stdout.write(fs.readFileSync(${JSON.stringify(path)}))`], set };
}

function callsOf(canaryFailures: number, calls = 2000): object {
  return { canary: { calls, failures: canaryFailures }, stable: { calls, failures: 2 } };
}

async function weight(service: string): Promise<number | undefined> {
  const { routes } = JSON.parse((await world.kv(`graylane/policies/${service}`)) ?? '{}');
  return routes[0].split[1].weight;
}

const status = async (service: string): Promise<Status | undefined> =>
  (await world.runJson<readonly Status[]>(['rollout', 'status', service])).json[0];

describe('graylane rollout', { timeout: 60_000 }, () => {
  it('raises a healthy canary to 100 % and ends with 0; a failing one is taken back, told of, and ends with 3', async () => {
    const notified = world.file('notified.json', '');
    const save = `require('fs').appendFileSync(${JSON.stringify(notified)}, require('fs').readFileSync(0) + '\\n')`;
    const files = new Map<string, string>();
    const begin = async (service: string): Promise<(content: unknown) => void> => {
      await serve(service);
      const { run, set } = figures(service);
      const document = {
        ...{ schema: 1, service, canary: 'canary', stable: 'stable' },
        steps: [{ setWeight: 5 }, { analysis: {} }, { setWeight: 50 }, { analysis: {} }],
        analysis: {
          ...{ intervalMs: 300, count: 2, checks: [{ check: 'request-success-rate' }], provider: 'script' },
        },
        notify: ['save'],
      };
      const started = await world.run(['rollout', 'start', service, '--file', world.file(`${service}.json`, document)]);
      expect([started.code, started.stderr]).toEqual([
        0,
        expect.stringContaining(
          'looked up by the controller (graylane rollout run --config): provider script, hook save',
        ),
      ]);
      files.set(
        service,
        world.file(`${service}-controller.json`, {
          schema: 1,
          providers: { script: { command: { run } } },
          hooks: { save: { command: { run: [process.execPath, '-e', save] } } },
        }),
      );
      set(callsOf(2));
      return set;
    };
    await begin('healthy');
    const fail = await begin('failing');
    const once = (service: string): ReturnType<typeof world.run> =>
      world.run(['rollout', 'run', '--once', service, '--config', files.get(service) ?? '', '--json'], {
        limitMs: 40_000,
      });
    const failed = once('failing');
    const ended = once('healthy');
    while ((await weight('failing')) !== 50) await new Promise((resolve) => setTimeout(resolve, 50));
    fail(callsOf(100));
    expect((await ended).code).toBe(0);
    expect(await weight('healthy')).toBe(100);
    const { code, stdout } = await failed;
    expect(code).toBe(3);
    expect(await weight('failing')).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Transition);
    expect(lines.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['setWeight', 'passed', 'aborted', 'rollback', 'notify']),
    );
    expect(lines.find(({ event }) => event === 'aborted')?.message).toMatch(
      /canary failed 100 of 2,000 \(5\.00 %\), stable 2 of 2,000/,
    );
    const log = await world.run(['policy', 'log', 'failing', '--verify']);
    expect(log.stdout).toMatch(/rolled back, canary to 0 %: request-success-rate: canary failed 100 of 2,000/);
    expect(log.stdout).toMatch(/rollout\/\d{8}-\d{6}-/);
    const told = readFileSync(notified, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(told.map(({ service, event }) => [service, event]).sort()).toEqual([
      ['failing', 'aborted'],
      ['healthy', 'completed'],
    ]);
    const shown = await world.run(['rollout', 'status', 'failing']);
    expect(shown.stdout).toMatch(/✗ 4 {2}analysis/);
    expect(shown.stdout).toMatch(/canary 95\.00 % [▁▂▃▄▅▆▇█]+ {3}stable 99\.90 %/);
    const history = await world.run(['rollout', 'history', 'failing']);
    expect(history.stdout).toMatch(/rollback +4 +0 %/);
  });

  it('asks each provider once under --dry-run, and says what it yields and what cannot be judged', async () => {
    const say = (answer: object): object => ({ run: [process.execPath, '-p', `'${JSON.stringify(answer)}'`] });
    const side = { calls: 1_000, failures: 3 };
    const config = world.file('yields.json', {
      schema: 1,
      providers: {
        calls: { command: say({ canary: side, stable: { ...side, calls: 20_000 } }) },
        queue: { command: say({ result: 12.5 }) },
        broken: { command: { run: [process.execPath, '-e', 'process.exit(3)'] } },
      },
    });
    const value = (name: string, provider: string, successCondition: string): object => {
      return { check: 'value', name, provider, successCondition };
    };
    const of = (checks: readonly object[]): string =>
      world.file('asks.json', {
        ...{ schema: 1, service: 'asks', canary: 'canary', stable: 'stable', steps: [{ setWeight: 5 }] },
        analysis: { provider: 'calls', checks: [{ check: 'request-success-rate' }, ...checks] },
      });
    const start = (file: string) =>
      world.run(['rollout', 'start', 'asks', '--file', file, '--config', config, '--dry-run']);
    const good = await start(of([value('queue', 'queue', 'result < 20')]));
    expect(good.stdout).toContain('provider calls: canary 1,000 calls, 3 failed; stable 20,000 calls, 3 failed');
    expect([good.code, good.stdout]).toEqual([0, expect.stringContaining('value queue: result 12.5\n')]);
    const bad = await start(of([value('queue', 'queue', 'canary < 2 * stable'), value('other', 'broken', '< 1')]));
    expect(bad.code).toBe(1);
    expect(bad.stdout).toContain(
      'value queue: yields result 12.5 (expected: also a finite canary, stable, which the condition names)',
    );
    expect(bad.stdout).toContain('value other: provider broken: exit 3 (expected: 0)');
  });

  it('tells names that the controller does not have, with those that it has, before anything is started', async () => {
    const config = world.file('known.yaml', 'schema: 1\nproviders:\n  metrics: { command: { run: [x] } }\n');
    const document = {
      ...{ schema: 1, service: 'named', canary: 'canary', stable: 'stable', steps: [{ setWeight: 5 }] },
      ...{ analysis: { provider: 'metric' }, notify: ['on-call'] },
    };
    const file = world.file('named.json', document);
    for (const more of [['--dry-run'], []]) {
      const { code, stderr } = await world.run([
        'rollout',
        'start',
        'named',
        '--file',
        file,
        '--config',
        config,
        ...more,
      ]);
      expect(code).toBe(1);
      expect(stderr).toContain('error analysis.provider: metric (expected: one of clients, metrics; ');
      expect(stderr).toContain('error notify[0]: on-call (expected: a hook of the controller; there are none)');
    }
    const dry = await world.run(['rollout', 'start', 'named', '--file', file, '--dry-run']);
    expect([dry.code, dry.stderr]).toEqual([
      0,
      expect.stringContaining('provider metric, hook on-call; --config checks'),
    ]);
    const broken = world.file('broken.yaml', 'schema: 1\nproviders:\n  metrics: { webhook: { url: localhost } }\n');
    const run = await world.run(['rollout', 'run', '--config', broken]);
    expect([run.code, run.stderr]).toEqual([
      2,
      expect.stringMatching(/broken\.yaml:3:\d+ providers\.metrics\.webhook\.url: "localhost" \(expected: http:/),
    ]);
    expect((await world.run(['rollout', 'run', '--config', '/nowhere'])).code).toBe(2);
  });

  it('waits until healthy instances can carry the weight, and says so', async () => {
    await serve('small', { stable: 3, canary: 1 });
    expect((await world.run(['rollout', 'start', 'small', '--weights', '25,100'])).code).toBe(0);
    const running = startLive(['rollout', 'run', 'small'], { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address });
    await running.line(
      /waiting .*canary would get 4\.0 times its fair share .*on 1 of 4 healthy instances; expected: at most 2, maxLoadFactor/,
    );
    expect(await weight('small')).toBe(25);
    expect(await status('small')).toMatchObject({ waitingFor: expect.stringContaining('4.0 times'), weight: 25 });
    for (const at of [1, 2]) {
      await world.consul
        .dc('dc1')
        .register({ name: 'small', id: `small-more-${at}`, port: 4200 + at, tags: ['canary'] });
    }
    await running.line(/completed/);
    expect(await weight('small')).toBe(100);
    expect(await running.interrupt()).toBe(0);
  });

  it('is paused, resumed, promoted and aborted; an abort needs no controller', async () => {
    await serve('asked');
    const rollout = (...args: readonly string[]): ReturnType<typeof world.run> => world.run(['rollout', ...args]);
    expect((await rollout('start', 'asked', '--weights', '5,50', '--pause', '3600')).code).toBe(0);
    const again = await rollout('start', 'asked', '--weights', '5,50');
    expect([again.code, again.stderr]).toEqual([
      1,
      expect.stringMatching(
        /^graylane: a rollout of asked is under way: \S+ of \S+@\S+, running at step 1; run graylane rollout status asked/,
      ),
    ]);
    const live = startLive(['rollout', 'run', 'asked'], { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address });
    await live.line(/paused .*for 3600 s/);
    const watching = startLive(['rollout', 'status', 'asked', '--watch'], {
      CONSUL_HTTP_ADDR: world.consul.dc('dc1').address,
    });
    await watching.line(/asked paused \(for 3600 s\), step 2 of 4, canary at 5 %/);
    expect((await status('asked'))?.controller).toMatch(/\(pid \d+ on /);
    expect((await rollout('pause', 'asked')).stdout).toMatch(/^paused asked: paused \(paused by \S+\), step 2 of 4/);
    expect((await rollout('resume', 'asked')).code).toBe(0);
    expect((await rollout('promote', 'asked')).code).toBe(0);
    await live.line(/setWeight .*50 %/);
    expect(await live.interrupt()).toBe(0);
    expect((await status('asked'))?.controller).toBe(null);
    const aborted = await rollout('abort', 'asked', '-m', 'incident 42');
    expect([aborted.code, aborted.stdout]).toEqual([0, expect.stringContaining('incident 42')]);
    expect(await weight('asked')).toBe(0);
    expect(await watching.line(/aborted/)).toContain('incident 42');
    const twice = await rollout('abort', 'asked');
    expect([twice.code, twice.stderr]).toEqual([
      1,
      expect.stringMatching(/the rollout \S+ of asked is aborted; run graylane rollout history asked/),
    ]);
  });

  it('refuses what cannot be, with the place and the next step, and writes nothing', async () => {
    await serve('bad');
    const bad = { schema: 1, service: 'bad', canary: 'canary', stable: 'stable', steps: [{ setWeight: 120 }] };
    const start = (file: string): ReturnType<typeof world.run> =>
      world.run(['rollout', 'start', 'bad', '--file', file]);
    const refused = await start(world.file('bad.json', bad));
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/bad\.json:\d+:\d+ steps\[0\]\.setWeight: 120 \(expected: /),
    ]);
    const noSubset = await start(world.file('bad2.json', { ...bad, canary: 'canray', steps: [{ setWeight: 5 }] }));
    expect(noSubset.stderr).toMatch(
      /subsets\.canray: missing \(expected: a subset of the policy\); run graylane policy get bad/,
    );
    expect((await start(join('no', 'such'))).code).toBe(2);
    expect((await world.run(['rollout', 'start', 'bad'])).stderr).toMatch(
      /--file, --weights: neither given \(expected: one of them\)/,
    );
    expect((await world.run(['rollout', 'run', '--session-ttl', '5'])).stderr).toMatch(
      /--session-ttl: 5 \(expected: 10 to 86400 seconds\)/,
    );
    expect((await world.run(['rollout', 'run', '--once'])).code).toBe(2);
    const none = await world.run(['rollout', 'status', 'bad']);
    expect([none.code, none.stderr]).toEqual([
      1,
      'graylane: bad has no rollout; run graylane rollout start bad --file rollout.yaml\n',
    ]);
    expect(await world.kv('graylane/rollouts/bad')).toBeUndefined();
  });
});
