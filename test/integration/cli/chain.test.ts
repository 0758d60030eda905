import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Explanation } from '../../../src/index';
import { compilePolicy } from '../../../src/policy/compile';
import type { SimulationReport } from '../../../src/simulate';
import { closeAfterEach } from '../../support/closers';
import { startLive } from './live-command';
import { commandWorld } from './two-datacenters';

const world = commandWorld();
const closing = closeAfterEach();
const CHARGE = '/shop.v1.Payments/Charge';

async function write(...entries: readonly object[]): Promise<void> {
  for (const entry of entries) await world.consul.dc('dc1').request('PUT', '/v1/config', entry);
}

const grpc = (Name: string): object => ({ Kind: 'service-defaults', Name, Protocol: 'grpc' });
const versions = (Name: string, more: object = {}): object => ({
  Kind: 'service-resolver',
  Name,
  DefaultSubset: 'v1',
  Subsets: { v1: { Filter: 'Service.Meta.version == v1' }, v2: { Filter: 'Service.Meta.version == v2' } },
  ...more,
});
const router = (Name: string, Match: object, Destination: object): object => ({
  Kind: 'service-router',
  Name,
  Routes: [{ Match: { HTTP: Match }, Destination }],
});

beforeAll(async () => {
  const [dc1, dc2] = world.consul.datacenters;
  for (const name of ['pay', 'hard', 'plain', 'soon', 'whole']) {
    await dc1?.register({ name, id: `${name}-1`, address: '127.0.0.1', port: 9001, meta: { version: 'v1' } });
    await dc1?.register({ name, id: `${name}-2`, address: '127.0.0.1', port: 9002, meta: { version: 'v2' } });
    await dc2?.register({ name, id: `${name}-3`, address: '127.0.0.1', port: 9003, meta: { version: 'v1' } });
  }
  await write(
    grpc('pay'),
    versions('pay', { Failover: { '*': { Datacenters: ['dc2'] } } }),
    {
      Kind: 'service-splitter',
      Name: 'pay',
      Splits: [
        { Weight: 90, ServiceSubset: 'v1' },
        { Weight: 10, ServiceSubset: 'v2' },
      ],
    },
    router(
      'pay',
      { PathExact: CHARGE, Header: [{ Name: 'x-gray', Exact: 'canary' }] },
      { ServiceSubset: 'v2', RequestTimeout: '800ms', NumRetries: 2, RetryOnConnectFailure: true },
    ),
    grpc('hard'),
    versions('hard'),
    router('hard', { PathPrefix: '/a.B/Ch' }, { ServiceSubset: 'v2', PrefixRewrite: '/c' }),
    versions('soon', { Subsets: { v1: { Filter: 'Service.Meta.version == v1' }, v2: { OnlyPassing: true } } }),
    versions('whole', { DefaultSubset: '' }),
  );
});

/** Servers from 1.11 on put the admin partition into the names of nodes: `hard.default.default`. */
const byService = (text: string): string => text.replaceAll('.default.default', '.default');

describe('graylane policy lint-chain', () => {
  it('ends with 0 where every field is honoured, and where there are no entries', async () => {
    expect(await world.run(['policy', 'lint-chain', 'pay'])).toEqual({
      code: 0,
      stdout: 'ok pay: every field is honoured\n',
      stderr: '',
    });
    const { code, stdout } = await world.run(['policy', 'lint-chain', 'plain', '--dc', 'dc1,dc2']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: 'dc1 ok plain: no config entry shapes its chain\ndc2 ok plain: no config entry shapes its chain\n',
    });
  });

  it('names each field that is not honoured, with why, and ends with 1', async () => {
    const { code, stdout } = await world.run(['policy', 'lint-chain', 'hard']);
    expect({ code, stdout: byService(stdout) }).toEqual({
      code: 1,
      stdout:
        'not honoured router(hard.default).Routes[0].Destination.PrefixRewrite: the path of a gRPC call is its method, and stays\n',
    });
    const { json } = await world.runJson<{ datacenters: readonly object[] }>(['policy', 'lint-chain', 'hard']);
    expect(json.datacenters).toMatchObject([
      {
        datacenter: 'local',
        isDefault: false,
        problems: [],
        notHonoured: [{ path: expect.stringMatching(/Rewrite$/) }],
      },
    ]);
  });

  it('says which datacenters there are when it is asked for another', async () => {
    const { code, stderr } = await world.run(['policy', 'lint-chain', 'pay', '--dc', 'nowhere']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^graylane: --dc: nowhere \(expected: what Consul at .* knows: dc1, dc2\); correct --dc\n$/);
  });
});

describe('graylane policy import-chain', () => {
  const document = {
    schema: 1,
    service: 'pay',
    subsets: { v2: { filter: 'Service.Meta.version == v2' }, v1: { filter: 'Service.Meta.version == v1' } },
    default: 'v1',
    routes: [
      {
        name: 'routes[0]',
        match: { methods: [CHARGE], labels: { 'x-gray': 'canary' } },
        to: 'v2',
        timeoutMs: 800,
        retry: { maxAttempts: 3, retryableStatusCodes: ['UNAVAILABLE'] },
      },
      {
        name: 'default',
        split: [
          { to: 'v1', weight: 90 },
          { to: 'v2', weight: 10 },
        ],
      },
    ],
    locality: { failover: ['dc2'] },
  };

  it('prints the equivalent document, and on standard error what to know', async () => {
    const { code, stdout, stderr } = await world.run(['policy', 'import-chain', 'pay']);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^the Graylane client needs datacenters: \[dc1, dc2\].*\na chain fails over when nobody/);
    const plan = compilePolicy({ content: stdout, format: 'yaml' }, { service: 'pay', origin: 'file' });
    expect(plan.document).toEqual(document);
  });

  it('writes a file, and reports what a document cannot say with its path', async () => {
    const file = world.file('hard.json', '');
    const { code, stdout, stderr } = await world.run(['policy', 'import-chain', 'hard', '-o', file]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(byService(stderr).split('\n').slice(0, 3)).toEqual([
      'not in the document router(hard.default).Routes[0].Match.HTTP.PathPrefix: "/a.B/Ch", a prefix within the name of a method',
      'not in the document router(hard.default).Routes[0]: left out; its calls go on to the routes that follow',
      'not in the document router(hard.default).Routes[0].Destination.PrefixRewrite: the path of a gRPC call is its method, and stays',
    ]);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      schema: 1,
      service: 'hard',
      subsets: { v1: { filter: 'Service.Meta.version == v1' }, v2: { filter: 'Service.Meta.version == v2' } },
      default: 'v1',
      locality: { failover: [] },
    });
  });

  it('has the subsets of the entries that no call goes to yet: a canary before it begins', async () => {
    const { code, stdout, stderr } = await world.run(['policy', 'import-chain', 'soon']);
    expect(code).toBe(3);
    expect(stderr).toContain(
      'not in the document service-resolver/soon.Subsets.v2.OnlyPassing: instances with a warning serve too',
    );
    const plan = compilePolicy({ content: stdout, format: 'yaml' }, { service: 'soon', origin: 'file' });
    expect(plan.document).toMatchObject({
      default: 'v1',
      subsets: { v1: { filter: 'Service.Meta.version == v1' }, v2: {} },
    });
    const whole = await world.run(['policy', 'import-chain', 'whole']);
    expect(whole.code).toBe(0);
    const all = compilePolicy({ content: whole.stdout, format: 'yaml' }, { service: 'whole', origin: 'file' });
    expect(all.document).toMatchObject({ default: 'all', subsets: { all: {}, v1: {}, v2: {} } });
  });

  it('takes one datacenter, and a file that can be written', async () => {
    expect(await world.run(['policy', 'import-chain', 'pay', '--dc', 'dc1,dc2'])).toMatchObject({ code: 2 });
    const { code, stderr } = await world.run(['policy', 'import-chain', 'pay', '-o', '/nowhere/p.yaml']);
    expect(code).toBe(2);
    expect(stderr).toContain('--output: /nowhere/p.yaml: ENOENT (expected: a file that can be written)');
  });
});

describe('on a chain', () => {
  it('graylane explain tells route, subset and the failover of the entries', async () => {
    const args = ['explain', 'pay', '--policy', 'chain', '--method', CHARGE, '--label', 'x-gray=canary'];
    const { code, json } = await world.runJson<Explanation>(args);
    expect(code).toBe(0);
    expect(json.routing.decision).toMatchObject({ route: 'routes[0]', subset: 'v2' });
    expect(json.tiers.map(({ subset, datacenter }) => [subset, datacenter])).toEqual([
      ['v2', 'dc1'],
      ['v2', 'dc2'],
    ]);
    const { stdout } = await world.run(['explain', 'pay', '--policy', 'kv', '--method', CHARGE]);
    expect(stdout).toContain('no policy');
  });

  it('graylane explain refuses a source of Consul where no Consul is asked', async () => {
    const { code, stderr } = await world.run(['explain', 'pay', '--policy', 'chain', '--instances', 'i.yaml']);
    expect(code).toBe(2);
    expect(stderr).toContain('--policy: chain beside --instances');
  });

  it('graylane instances lists by its subsets, in the datacenters that it leads to', async () => {
    const { stdout, code } = await world.run(['instances', 'pay', '--policy', 'chain']);
    expect(code).toBe(0);
    const rows = stdout.split('\n').slice(2, -1);
    expect(rows.map((row) => row.split(/ {2,}/).slice(0, 3))).toEqual([
      ['dc1', 'v1', 'pay-1'],
      ['dc1', 'v2', 'pay-2'],
      ['dc2', 'v1', 'pay-3'],
    ]);
  });

  it('graylane simulate meets its routes, and nobody moves to the document made of it', async () => {
    const file = world.file('pay.yaml', '');
    await world.run(['policy', 'import-chain', 'pay', '-o', file]);
    const args = ['simulate', 'pay', '--policy', 'chain', '--against', file, '--calls', '20000'];
    const { code, json } = await world.runJson<SimulationReport & { source: { unreached: readonly string[] } }>(args);
    expect(code).toBe(0);
    expect(json.source.unreached).toEqual([]);
    expect(json.routes.find(({ route }) => route === 'routes[0]')?.calls).toBeGreaterThan(1_000);
    expect(json.against?.moved).toMatchObject({ calls: 0 });
  });

  it('graylane watch shows new entries, and instances of other services', async () => {
    const dc1 = world.consul.dc('dc1');
    const env = { CONSUL_HTTP_ADDR: dc1.address };
    await dc1.register({ name: 'old', id: 'old-1', address: '127.0.0.1', port: 9004 });
    const live = closing(startLive(['watch', 'old', '--policy', 'chain', '--json'], env), (one) => one.kill());
    await live.line(/"kind":"policy","change":"revision [0-9a-f]{12}","details":"from chain/);
    const from = live.lines.length;
    await write({ Kind: 'service-resolver', Name: 'old', Redirect: { Service: 'plain' } });
    await live.line(/"kind":"policy".*from chain/, from);
    await live.line(/"change":"added".*"instance":"plain-1"/, from);
    expect(await live.interrupt()).toBe(0);
  });
});
