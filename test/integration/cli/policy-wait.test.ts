import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pause } from '../../support/closers';
import { type HoldingProxy, startHoldingProxy } from '../../support/consul/holding-proxy';
import { printFact } from '../../support/figure';
import { type PrometheusProcess, startPrometheus } from '../telemetry/prometheus-process';
import { type GraylaneProcess, startGraylane } from './fleet-processes';
import { commandWorld, policyOf } from './two-datacenters';

interface Waited {
  readonly results: readonly { readonly datacenter: string; readonly outcome: string }[];
  readonly fleet: {
    readonly isFollowed: boolean;
    readonly waitedMs: number;
    readonly following: number;
    readonly processes: readonly { readonly client: string; readonly reason?: string }[];
  } | null;
}

const world = commandWorld();
const KEY = 'graylane/policies/payments';
let prometheus: PrometheusProcess;
/** What stands between the second Graylane client and Consul. */
let link: HoldingProxy;
let first: GraylaneProcess;
let second: GraylaneProcess;
let elsewhere: GraylaneProcess;
let percent = 5;

beforeAll(async () => {
  const [dc1, dc2] = world.consul.datacenters;
  if (dc1 === undefined || dc2 === undefined) throw new Error('two datacenters were asked for');
  for (const dc of [dc1, dc2]) {
    await dc.register({ name: 'payments', id: 's1', port: 9001, tags: ['stable'] });
    await dc.putKv(KEY, JSON.stringify(policyOf('payments', percent)));
  }
  link = await startHoldingProxy(dc1.address, () => false);
  [first, second, elsewhere] = await Promise.all([
    startGraylane({ name: 'first', consul: dc1.address, service: 'payments' }),
    startGraylane({ name: 'second', consul: link.address, service: 'payments' }),
    startGraylane({ name: 'elsewhere', consul: dc2.address, service: 'payments' }),
  ]);
  prometheus = await startPrometheus(first.host, second.host, elsewhere.host);
});
afterAll(async () => {
  await prometheus.stop();
  await Promise.all([first, second, elsewhere].map((graylane) => graylane.kill()));
  await link.stop();
});

/** A change that nobody has seen yet. */
function change(): readonly string[] {
  percent += 1;
  const file = world.file('next.json', policyOf('payments', percent));
  return ['policy', 'apply', file, '-m', `canary to ${percent} %`, '--force'];
}

function urls(...graylanes: readonly GraylaneProcess[]): readonly string[] {
  return graylanes.flatMap(({ url }) => ['--url', url]);
}

describe('graylane policy apply --wait', () => {
  it('ends when the processes asked follow', async () => {
    const { code, stdout, stderr } = await world.run([...change(), '--wait', '20s', ...urls(first, second)]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(
      /^written local: number \d+, revision [0-9a-f]{12}\nfollowed by all 2 processes after \d\.\d s$/m,
    );

    const { json } = await world.runJson<Waited>([...change(), '--wait', '20s', ...urls(first, second)]);
    expect(json).toMatchObject({
      results: [{ datacenter: 'local', outcome: 'written' }],
      fleet: { isFollowed: true, following: 2, behind: 0 },
    });
    printFact('graylane policy apply --wait, two processes asked', `followed after ${json.fleet?.waitedMs} ms`);
  });

  it('ends when all that Prometheus knows follow, in the datacenters written to', async () => {
    const { code, json } = await world.runJson<Waited>([...change(), '--wait', '20s', '--prometheus', prometheus.url]);
    expect(code).toBe(0);
    expect(json.fleet?.processes.map(({ client }) => client).sort()).toEqual(['first', 'second']);
    printFact('graylane policy apply --wait, scraped every 200 ms', `followed after ${json.fleet?.waitedMs} ms`);
    const both = [...change(), '--dc', 'dc1,dc2', '--wait', '20s', '--prometheus', prometheus.url];
    expect(await world.run(both)).toMatchObject({ code: 0, stdout: expect.stringMatching(/followed by all 3 proc/) });
  });

  it('waits for one that is held up', async () => {
    second.freeze();
    const applied = world.runJson<Waited>([...change(), '--wait', '20s', '--prometheus', prometheus.url]);
    // Written, and not followed: the command goes on.
    await expect.poll(async () => (await world.kv(KEY)) ?? '', { timeout: 15_000 }).toContain(`"weight": ${percent}`);
    await pause(1_200);
    second.thaw();
    const { code, json } = await applied;
    expect(code).toBe(0);
    expect(json.fleet).toMatchObject({ isFollowed: true, following: 2 });
    expect(json.fleet?.waitedMs).toBeGreaterThan(1_000);
  });

  it('ends with 1 when somebody is still behind, and names who and why; what is written stays', async () => {
    await link.stop();
    const { code, stdout, stderr } = await world.run([...change(), '--wait', '3s', '--prometheus', prometheus.url]);
    expect(code).toBe(1);
    expect(JSON.parse((await world.kv(KEY)) ?? '')).toEqual(policyOf('payments', percent));
    expect(stdout).toMatch(/ second +local .* stale +.* has not heard from dc1 for \d+s; 1 change behind$/m);
    expect(stderr).toMatch(
      /^graylane: written, but after \d\.\d s 1 of 2 do not follow: graylane\/127\.0\.0\.1:\d+ \(stale\); run graylane fleet /m,
    );
    // Nothing more to write, and still somebody to wait for.
    const same = ['policy', 'apply', world.file('next.json', policyOf('payments', percent)), '-m', 'again'];
    const again = await world.runJson<Waited>([...same, '--force', '--wait', '1s', ...urls(first, second)]);
    expect(again.code).toBe(1);
    expect(again.json).toMatchObject({
      results: [{ outcome: 'unchanged' }],
      fleet: { isFollowed: false, following: 1 },
    });
    const alone = await world.runJson<Waited>([...same, '--force', '--wait', '1s', ...urls(first)]);
    expect(alone.code).toBe(0);
  });

  it('says so when nobody can be seen', async () => {
    const { code, stderr } = await world.run([...change(), '--wait', '1s', '--prometheus', first.url]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^graylane: written, but who follows is not known after \d\.\d s: Prometheus at \S+: HTTP 404/m,
    );
  });

  it('is refused before anything is written where it cannot be done', async () => {
    const before = await world.kv(KEY);
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['--wait', '30s'], /^graylane: --prometheus: missing \(expected: --prometheus URL, or --url URL/],
      [['--wait', '30'], /--wait: 30 \(expected: 90s, /],
      [['--wait', '1s', '--prometheus', 'prometheus:9090'], /--prometheus: prometheus:9090 \(expected: http:/],
      [urls(first), /^graylane: --wait: missing \(expected: how long/],
      [['--wait', '1s', '--dry-run', ...urls(first)], /^graylane: --wait: with --dry-run \(expected: one of them\)/],
    ];
    for (const [args, stderr] of cases) {
      const ended = await world.run([...change(), ...args]);
      expect(ended.code, args.join(' ')).toBe(2);
      expect(ended.stderr, args.join(' ')).toMatch(stderr);
    }
    expect(await world.kv(KEY)).toBe(before);
    // Refused, nobody is waited for.
    const broken = world.file('broken.json', policyOf('payments', 5, { default: 'nobody' }));
    const refused = await world.run(['policy', 'apply', broken, '-m', 'x', '--wait', '20s', ...urls(first)]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing was written') });
  });
});
