import { beforeAll, describe, expect, it } from 'vitest';
import { commandWorld } from './two-datacenters';

const world = commandWorld();
const payments = (to: object, more: object = {}): object => ({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] } },
  default: 'stable',
  routes: [{ name: 'gray', match: { labels: { 'x-gray': 'yes' } }, to }],
  ...more,
});

beforeAll(async () => {
  const dc1 = world.consul.dc('dc1');
  for (const [at, [name, tag]] of [['payments', 'stable'] as const, ['payments-v2', 'a'] as const].entries()) {
    await dc1.register({ name, id: `${name}-1`, address: '127.0.0.1', port: 7400 + at, tags: [tag] });
  }
  const next = { schema: 1, service: 'payments-v2', subsets: { a: { tags: ['a'] }, b: { tags: ['b'] } }, default: 'a' };
  await dc1.putKv('graylane/policies/payments-v2', JSON.stringify(next));
  await dc1.putKv('graylane/policies/payments', JSON.stringify(payments({ subset: 'stable' })));
});

describe('a policy that leads elsewhere', { timeout: 120_000 }, () => {
  it.each([
    {
      name: 'a service that is not registered',
      to: { service: 'payments-v3' },
      why: 'payments-v3: nothing is registered',
    },
    {
      name: 'a subset that the other policy has not',
      to: { service: 'payments-v2', subset: 'c' },
      why: 'payments-v2/c: the policy of payments-v2 has no subset c (it has a, b)',
    },
    {
      name: 'a subset of the other service that is empty',
      to: { service: 'payments-v2', subset: 'b' },
      why: 'payments-v2/b: none of 1 instance has tag b (tags there: a 1)',
    },
    {
      name: 'a datacenter that is not there',
      to: { datacenter: 'dc22' },
      why: 'routes[0].to: Consul knows no datacenter dc22',
    },
    { name: 'a datacenter with nobody', to: { datacenter: 'dc2' }, why: 'calls of route gray would fail' },
  ])('is refused when it leads to $name', async ({ to, why }) => {
    const file = world.file('bad.json', payments(to));
    const refused = await world.run(['policy', 'apply', file, '-m', 'oops']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(why)]);
    const validated = await world.run(['policy', 'validate', file, '--consul']);
    expect([validated.code, validated.stdout]).toEqual([1, expect.stringContaining(why)]);
    const diff = await world.run(['policy', 'diff', file]);
    expect(diff.stdout).toContain(why);
  });

  it('is applied when somebody is there; explain, doctor, diff and weight name the destination', async () => {
    const split = (weight: number): object[] => [
      { to: 'stable', weight: 100 - weight },
      { to: { service: 'payments-v2' }, weight },
    ];
    const routes = [
      { name: 'ours', match: { from: ['checkout'] }, to: { service: 'payments-v2', subset: 'a' } },
      { name: 'all', split: split(10) },
    ];
    const file = world.file('good.json', payments({}, { routes }));
    const applied = await world.run(['policy', 'apply', file, '-m', 'strangle']);
    expect([applied.code, applied.stderr]).toEqual([0, '']);
    const explain = (...more: string[]) => world.run(['explain', 'payments', '--seed', '1', ...more]);
    const ours = await explain('--caller', 'checkout');
    expect(ours.stdout).toContain('payments-v2/a');
    expect(ours.stdout).toContain('127.0.0.1:7401');
    expect((await explain()).stdout).toContain('from: missing (expected: one of checkout)');
    const simulated = await world.runJson<{ subsets: { subset: string; percent: number }[] }>([
      ...['simulate', file, '--caller', 'checkout', '--calls', '100', '--json'],
    ]);
    expect(simulated.json.subsets).toContainEqual({ subset: 'payments-v2/a', calls: 100, percent: 100 });
    const doctor = await world.run(['doctor', 'payments']);
    expect(doctor.stdout).toContain('callers of payments: routes take calls of checkout');
    const weight = await world.run(['weight', 'payments', 'payments-v2', '25', '-m', 'more', '--route', 'all']);
    expect([weight.code, weight.stderr]).toEqual([0, '']);
    const now = JSON.parse((await world.kv('graylane/policies/payments')) ?? '{}') as { routes: { split: object[] }[] };
    expect(now.routes[1]?.split).toEqual(split(25));
    const diff = await world.run(['policy', 'diff', file]);
    expect(diff.stdout).toContain('routes[all].split[payments-v2].weight');
  });

  it('lists an instance once, to which two destinations lead', async () => {
    const routes = [
      { name: 'near', match: { labels: { 'x-near': 'yes' } }, to: { service: 'payments-v2', datacenter: 'dc1' } },
      { name: 'all', to: { service: 'payments-v2' } },
    ];
    const file = world.file('twice.json', payments({}, { routes }));
    expect((await world.run(['policy', 'apply', file, '-m', 'both'])).code).toBe(0);
    const { json } = await world.runJson<{ instances: { instance: string; subsets: string[] }[] }>([
      ...['instances', 'payments'],
    ]);
    expect(json.instances.map(({ instance, subsets }) => [instance, subsets.toSorted()])).toEqual([
      ['payments-v2-1', ['payments-v2']],
      ['payments-1', ['stable']],
    ]);
  });

  // A Consul before 1.13 knows no peers and answers with its own instances.
  it('has an override to a peer', async () => {
    const set = (...args: string[]) =>
      world.run(['override', 'set', 'payments', '--ttl', '5m', '-m', 'drill', '--peer', 'cloud', ...args]);
    const forced = await set('--force');
    expect([forced.code, forced.stdout]).toEqual([0, expect.stringContaining('to default in peer cloud until')]);
    const stored = JSON.parse((await world.kv('graylane/policies/payments')) ?? '{}') as { override: object };
    expect(stored.override).toMatchObject({ to: { peer: 'cloud' } });
    expect((await set('--datacenter', 'dc1')).stderr).toContain('--peer: given beside --datacenter');
    expect((await world.run(['override', 'clear', 'payments'])).code).toBe(0);
  });
});
