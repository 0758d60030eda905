import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HoldingProxy, startHoldingProxy } from '../../support/consul/holding-proxy';
import { type PrometheusProcess, startPrometheus } from '../telemetry/prometheus-process';
import { type GraylaneProcess, startGraylane } from './fleet-processes';
import { commandWorld, policyOf } from './two-datacenters';

interface Fleet {
  readonly following: number;
  readonly behind: number;
  readonly datacenters: readonly { readonly datacenter: string; readonly number: number | null }[];
  readonly processes: readonly {
    readonly client: string;
    readonly state: string;
    readonly reason?: string;
    readonly why?: string;
    readonly datacenter?: string;
    readonly number?: number;
  }[];
}

const world = commandWorld();
const SERVICE = 'shop.payments';
const KEY = `graylane/policies/${SERVICE}`;
let prometheus: PrometheusProcess;
/** What stands between one of the Graylane clients and Consul. */
let link: HoldingProxy;
const graylanes = new Map<string, GraylaneProcess>();

beforeAll(async () => {
  const [dc1, dc2] = world.consul.datacenters;
  if (dc1 === undefined || dc2 === undefined) throw new Error('two datacenters were asked for');
  await dc1.register({ name: SERVICE, id: 's1', port: 9001, tags: ['stable'] });
  await apply(5, 'dc1');
  await apply(5, 'dc2');
  link = await startHoldingProxy(dc1.address, () => false);
  const started = await Promise.all([
    startGraylane({ name: 'direct', consul: dc1.address, service: SERVICE, formerly: 'closed' }),
    startGraylane({ name: 'linked', consul: link.address, service: SERVICE }),
    startGraylane({ name: 'coded', consul: dc1.address, service: SERVICE, policy: { schema: 1, service: SERVICE } }),
    startGraylane({ name: 'second', consul: dc2.address, service: SERVICE }),
  ]);
  for (const [at, name] of ['direct', 'linked', 'coded', 'second'].entries()) {
    const graylane = started[at];
    if (graylane !== undefined) graylanes.set(name, graylane);
  }
  prometheus = await startPrometheus(...started.map(({ host }) => host));
});
afterAll(async () => {
  await prometheus.stop();
  await Promise.all([...graylanes.values()].map((graylane) => graylane.kill()));
  await link.stop();
});

async function apply(percent: number, datacenter: string): Promise<void> {
  const file = world.file(`${datacenter}-${percent}.json`, policyOf(SERVICE, percent));
  const ended = await world.run([
    'policy',
    'apply',
    file,
    '-m',
    `canary to ${percent} %`,
    '--dc',
    datacenter,
    '--force',
  ]);
  expect(ended).toMatchObject({ code: 0 });
}

async function fleet(...args: readonly string[]): Promise<{ readonly code: number | null; readonly json: Fleet }> {
  return world.runJson<Fleet>(['fleet', SERVICE, ...(args.length === 0 ? ['--prometheus', prometheus.url] : args)]);
}

async function byGraylane(...args: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const { processes } = (await fleet(...args)).json;
  return Object.fromEntries(processes.map(({ client, state, reason }) => [client, reason ?? state]));
}

function urls(...names: readonly string[]): readonly string[] {
  return names.flatMap((name) => ['--url', graylanes.get(name)?.url ?? '']);
}

describe('graylane fleet', () => {
  it('finds in Prometheus that all follow, each its own datacenter', async () => {
    await expect
      .poll(() => byGraylane(), { timeout: 20_000 })
      .toEqual({ direct: 'follows', linked: 'follows', coded: 'own', second: 'follows' });
    const { code, json } = await fleet();
    expect(code).toBe(0);
    expect(json).toMatchObject({ following: 3, behind: 0 });
    expect(json.processes.find(({ client }) => client === 'second')).toMatchObject({ datacenter: 'dc2', number: 1 });
    expect(json.datacenters).toMatchObject([
      { datacenter: 'dc1', number: 1 },
      { datacenter: 'dc2', number: 1 },
    ]);
    const { stdout } = await world.run(['fleet', SERVICE, '--prometheus', prometheus.url]);
    expect(stdout).toMatch(/^shop\.payments in dc1: revision [0-9a-f]{12}, number 1, index \d+$/m);
    expect(stdout).toMatch(/^3 of 4 follow$/m);
    expect(stdout).toMatch(/^graylane\/127\.0\.0\.1:\d+ +direct +dc1 +1 +[0-9a-f]{12} +follows +now$/m);
    expect(Object.keys(await byGraylane('--prometheus', prometheus.url, '--dc', 'dc1')).sort()).toEqual([
      'coded',
      'direct',
      'linked',
    ]);
  });

  it('says who is behind for having lost Consul, and by how much', async () => {
    await link.stop();
    await apply(25, 'dc1');
    await expect
      .poll(() => byGraylane(), { timeout: 20_000 })
      .toEqual({ direct: 'follows', linked: 'stale', coded: 'own', second: 'follows' });
    const { code, json } = await fleet();
    expect(code).toBe(1);
    expect(json).toMatchObject({ following: 2, behind: 1 });
    expect(json.processes[0]).toMatchObject({ client: 'linked', datacenter: 'dc1', number: 1 });
    expect(json.processes[0]?.why).toMatch(/^has not heard from dc1 for \d+s; 1 change behind$/);
    // The process itself knows more.
    const asked = await fleet(...urls('direct', 'linked'));
    expect(asked.code).toBe(1);
    expect(asked.json.processes.map(({ client, state }) => [client, state])).toEqual([
      ['linked', 'behind'],
      ['direct', 'follows'],
    ]);
    expect(asked.json.processes[0]?.why).toMatch(/ECONNREFUSED.*; 1 change behind$/);
  });

  it('says who refused the newest, and what was wrong with it', async () => {
    const dc2 = world.consul.dc('dc2');
    const good = (await world.kv(KEY, 'dc2')) ?? '';
    await dc2.putKv(KEY, JSON.stringify(policyOf(SERVICE, 5, { default: 'nobody' })));
    await expect.poll(async () => (await byGraylane())['second'], { timeout: 20_000 }).toBe('rejected');
    const { code, json } = await fleet(...urls('second'), '--dc', 'dc2');
    expect(code).toBe(1);
    expect(json.processes[0]?.why).toMatch(/^refused index \d+: default: .*nobody/);
    await dc2.putKv(KEY, good);
    await expect.poll(async () => (await byGraylane())['second'], { timeout: 20_000 }).toBe('follows');
  });

  it('says who cannot be asked, and when there is nobody', async () => {
    const gone = graylanes.get('second');
    await gone?.kill();
    await expect.poll(async () => (await byGraylane())['second'], { timeout: 20_000 }).toBe('unreachable');
    const { stdout } = await world.run(['fleet', SERVICE, ...urls('second', 'direct')]);
    expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+ .* unreachable .*ECONNREFUSED/m);
    const { code, stderr } = await world.run(['fleet', 'nobody-uses-it', '--prometheus', prometheus.url]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^nobody tells of nobody-uses-it: /);
  });

  it('says who cannot have what the policy asks for, by Prometheus as by the process itself', async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const override = { datacenter: 'dc9', until, by: 'ops', reason: 'incident 42' };
    await world.consul.dc('dc1').putKv(KEY, JSON.stringify(policyOf(SERVICE, 25, { override })));
    const whyOf = async (...args: readonly string[]): Promise<readonly unknown[]> => {
      const direct = (await fleet(...args)).json.processes.find(({ client }) => client === 'direct');
      return [direct?.state, direct?.why];
    };
    await expect
      .poll(() => whyOf(), { timeout: 20_000 })
      .toEqual(['follows', expect.stringMatching(/^cannot have 1 thing that the policy asks for: /)]);
    expect(await whyOf(...urls('direct'))).toEqual([
      'follows',
      expect.stringMatching(/^override\.datacenter: dc9 has no/),
    ]);
  });

  it('says what is wrong with the command line, or with what answers there', async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [[SERVICE], /^graylane: --prometheus: missing \(expected: --prometheus URL, or --url URL/],
      [[SERVICE, '--prometheus', prometheus.url, ...urls('direct')], /^graylane: --prometheus: with --url /],
      [['a"b', '--prometheus', prometheus.url], /^graylane: service: "a\\"b" \(expected: letters/],
      [
        [SERVICE, '--prometheus', `${prometheus.url}/nowhere`],
        /^graylane: Prometheus at \S+\/nowhere: .*; check --prom/,
      ],
      [[SERVICE, '--prometheus', graylanes.get('direct')?.url ?? ''], /^graylane: Prometheus at \S+: HTTP 404/],
    ];
    for (const [args, stderr] of cases) {
      const ended = await world.run(['fleet', ...args]);
      expect(ended.code, args.join(' ')).toBe(2);
      expect(ended.stderr, args.join(' ')).toMatch(stderr);
    }
  });
});
