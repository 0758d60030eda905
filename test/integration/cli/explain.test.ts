import { describe, expect, it } from 'vitest';
import type { Explanation } from '../../../src/index';
import { graylane } from './built-command';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld();
const CHARGE = '/shop.v1.Payments/Charge';

const routes = [
  { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true },
  ...(policyOf('payments', 5)['routes'] as readonly object[]),
];
const instances = {
  payments: [
    { id: 's1', address: '10.0.0.1', port: 9000, tags: ['stable'] },
    { id: 'c1', address: '10.0.0.2', port: 9000, tags: ['canary'], status: 'critical' },
  ],
};

describe('graylane explain, offline', () => {
  const offline = (...args: string[]): ReturnType<typeof graylane> =>
    graylane([
      'explain',
      'payments',
      '--policy',
      world.file('p.json', policyOf('payments', 5, { routes })),
      '--instances',
      world.file('i.json', instances),
      ...args,
    ]);

  it('says why earlier routes did not match, the bucket, and who could serve', async () => {
    const { code, stdout } = await offline('--method', CHARGE, '--label', 'x-user-id=u-1');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^payments \/shop\.v1\.Payments\/Charge {2}revision [0-9a-f]{12}$/m);
    expect(stdout).toMatch(/^-> stable by route everyone$/m);
    expect(stdout).toMatch(/^ {3}by a sticky value, bucket \d+ of 10000: stable 95 %, canary 5 %$/m);
    expect(stdout).toMatch(/^testers +missed +x-gray: missing \(expected: = canary\)$/m);
    expect(stdout).toMatch(/^everyone +matched$/m);
    expect(stdout).toMatch(/^0 +stable +local +10\.0\.0\.1:9000 +s1 +passing +1 +closed/m);
  });

  it('ends with 1 when nobody could serve, and says what holds them out', async () => {
    const { code, stdout, stderr } = await offline('--label', 'x-gray=canary');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^-> canary by route testers, strict$/m);
    expect(stdout).toMatch(/c1 +critical +0 +closed +critical in Consul$/m);
    expect(stderr).toContain('nobody could serve this call');
  });

  it.each([
    ['another datacenter serves', { datacenter: 'dc2' }, true],
    ['the rest has weight 0', { weight: 0 }, false],
    ['the rest is critical', { status: 'critical' }, false],
  ])('says what a weakened tier passes on where %s', async (_, rest, isPassedOn) => {
    const at = { address: '10.0.0.1', tags: ['stable'], datacenter: 'dc1' };
    const weakened = [
      { ...at, port: 1 },
      { ...at, port: 2, status: 'critical' },
      { ...at, port: 3, ...rest },
    ];
    const file = world.file('weakened.json', { payments: weakened });
    const { stdout } = await offline('--method', CHARGE, '--label', 'x-user-id=u-1', '--instances', file);
    expect(/stable in dc1 keeps 70 %, the next tier gets the rest/.test(stdout)).toBe(isPassedOn);
  });

  it('asks no Consul, and is repeatable by --seed', async () => {
    const env = { CONSUL_HTTP_ADDR: 'http://127.0.0.1:1' };
    const ask = async (seed: string): Promise<unknown> => {
      const args = ['explain', 'payments', '--policy', world.file('h.json', policyOf('payments', 50))];
      const more = ['--instances', world.file('i.json', instances), '--seed', seed, '--json'];
      return (JSON.parse((await graylane([...args, ...more], { env })).stdout) as Explanation).routing;
    };
    expect(await ask('5')).toEqual(await ask('5'));
    expect(new Set(await Promise.all(['1', '2', '3', '4'].map(ask)))).toHaveProperty('size', 4);
  });

  it.each([
    [['--label', 'x'], '(expected: key=value, without blanks around ='],
    [['--method', 'Charge'], '(expected: /package.Service/Method)'],
    [['--policy', 'nowhere.yaml'], 'nowhere.yaml: ENOENT'],
  ])('used wrongly, ends with 2: %j', async (args, message) => {
    const { code, stderr } = await offline(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('refuses instances with faults, and says which', async () => {
    const bad = world.file('bad.json', { payments: [{ address: '10.0.0.1', port: 0 }] });
    const { code, stderr } = await graylane(['explain', 'payments', '--instances', bad]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'graylane: instances.payments[0].port: 0 (expected: 1..65535)\n',
    });
  });
});

it('says where a file of instances cannot be read', async () => {
  const bad = world.file('bad.yaml', 'payments:\n  - address: 10.0.0.1\n    port:1\n  - address: 10.0.0.2\n');
  const { code, stderr } = await graylane(['explain', 'payments', '--instances', bad]);
  expect(code).toBe(2);
  expect(stderr).toContain('bad.yaml: 3:11 instances: not YAML (expected: YAML 1.2; ');
});

describe('graylane explain, against Consul', () => {
  it('uses its policy and its instances, in the order of datacenters', async () => {
    const dc1 = world.consul.dc('dc1');
    const dc2 = world.consul.dc('dc2');
    await dc1.register({ name: 'pay', id: 's1', address: '127.0.0.1', port: 9001, tags: ['stable'] });
    await dc2.register({ name: 'pay', id: 's2', address: '127.0.0.1', port: 9002, tags: ['stable'] });
    await dc1.putKv('graylane/policies/pay', JSON.stringify(policyOf('pay', 0, { routes })));
    const { code, json } = await world.runJson<Explanation & { canServe: boolean }>([
      'explain',
      'pay',
      '--dc',
      'dc1,dc2',
      '--label',
      'x-user-id=u-1',
    ]);
    expect(code).toBe(0);
    expect(json).toMatchObject({ canServe: true, mode: 'route', routing: { decision: { route: 'everyone' } } });
    expect(
      json.tiers.map(({ datacenter, endpoints }) => [datacenter, endpoints.map(({ instance }) => instance)]),
    ).toEqual([
      ['dc1', ['s1']],
      ['dc2', ['s2']],
    ]);

    const file = world.file('all-canary.json', policyOf('pay', 100));
    const other = await world.runJson<Explanation>(['explain', 'pay', '--policy', file, '--label', 'x-user-id=u-1']);
    expect(other.json.routing.decision.subset).toBe('canary');
  });

  it('says what is missing when Consul cannot be reached', async () => {
    const { code, stderr } = await world.run(['explain', 'pay', '--consul', 'http://127.0.0.1:1']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^graylane: pay: .*ECONNREFUSED.*; run graylane doctor pay\n$/);
  });
});
