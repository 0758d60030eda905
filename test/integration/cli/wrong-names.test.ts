import { beforeAll, describe, expect, it } from 'vitest';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld();
let file: string;

beforeAll(async () => {
  const dc1 = world.consul.dc('dc1');
  for (const [at, tag] of ['stable', 'stable', 'canary'].entries()) {
    await dc1.register({ name: 'payments', id: `p${at}`, address: '127.0.0.1', port: 7001 + at, tags: [tag] });
  }
  await world.consul
    .dc('dc2')
    .register({ name: 'payments', id: 'far', address: '127.0.0.1', port: 7009, tags: ['stable'] });
  file = world.file('payments.json', policyOf('payments'));
  for (const percent of [5, 10]) {
    const next = world.file('next.json', policyOf('payments', percent));
    expect(await world.run(['policy', 'apply', next, '-m', 'begin'])).toMatchObject({ code: 0 });
  }
});

/** Of every command that takes `--dc`. */
const WITH_DC: readonly (readonly string[])[] = [
  ['init', 'payments'],
  ['weight', 'payments', 'canary', '25', '-m', 'why'],
  ['policy', 'list'],
  ['policy', 'get', 'payments'],
  ['policy', 'log', 'payments'],
  ['policy', 'show', '1', 'payments'],
  ['policy', 'rollback', 'payments'],
  ['policy', 'delete', 'payments', '-m', 'why'],
  ['policy', 'lint-chain', 'payments'],
  ['policy', 'import-chain', 'payments'],
  ['override', 'set', 'payments', '--to', 'stable', '--ttl', '5m', '-m', 'why'],
  ['override', 'clear', 'payments'],
  ['override', 'list'],
  ['lists', 'list'],
  ['lists', 'show', 'vip'],
  ['lane', 'list'],
  ['lane', 'create', 'pr-42', '--services', 'payments', '--ttl', '1d'],
  ['drill', 'list'],
  ['drill', 'start', 'payments', '--abort', 'UNAVAILABLE', '--percent', '5', '--for', '1m', '-m', 'why'],
  ['rollout', 'status', 'payments'],
  ['rollout', 'start', 'payments', '--weights', '5,50'],
  ['rollout', 'abort', 'payments'],
  ['explain', 'payments'],
  ['instances', 'payments'],
  ['simulate', 'payments', '--policy', 'kv'],
  ['call', 'payments'],
  ['watch', 'payments'],
  ['fleet', 'payments', '--url', 'http://127.0.0.1:9'],
];

describe('a misspelt datacenter', () => {
  it.each(WITH_DC.map((args) => [args.slice(0, 2).join(' '), args] as const))('%s', async (_, args) => {
    const { code, stderr } = await world.run([...args, '--dc', 'dc22']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(
        /^graylane: --dc: dc22 \(expected: what Consul at .* knows: dc1, dc2\); did you mean dc2\?\n$/,
      ),
    ]);
  });

  it.each(['policy apply', 'policy diff', 'policy validate'])(
    'beside a right one, before anything is written: %s',
    async (words) => {
      const before = await world.kv('graylane/policies/payments');
      const args = words === 'policy apply' ? ['-m', 'why'] : words === 'policy validate' ? ['--consul'] : [];
      const { code, stderr } = await world.run([...words.split(' '), file, ...args, '--dc', 'dc1,dc22']);
      expect([code, stderr]).toEqual([2, expect.stringMatching(/--dc: dc22 .*did you mean dc2\?/)]);
      expect(await world.kv('graylane/policies/payments')).toBe(before);
    },
  );

  it.each(['', ',', 'dc1,', ' '])('%j is none, as of a variable that is not set', async (dc) => {
    const { code, stderr } = await world.run(['policy', 'apply', file, '-m', 'why', '--dc', dc]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/--dc: .*\(expected: names of datacenters with commas, or all\)/),
    ]);
  });
});

describe('a misspelt service', () => {
  it.each([
    ['weight', 'paymnets', 'canary', '25', '-m', 'why'],
    ['policy', 'get', 'paymnets'],
    ['policy', 'log', 'paymnets'],
    ['policy', 'show', '1', 'paymnets'],
    ['policy', 'rollback', 'paymnets'],
    ['policy', 'rollback', 'paymnets', '1'],
    ['policy', 'delete', 'paymnets', '-m', 'why'],
    ['override', 'set', 'paymnets', '--to', 'stable', '--ttl', '5m', '-m', 'why'],
    ['override', 'clear', 'paymnets'],
    ['lane', 'create', 'pr-42', '--services', 'paymnets', '--ttl', '1d'],
    ['drill', 'start', 'paymnets', '--abort', 'UNAVAILABLE', '--percent', '5', '--for', '1m', '-m', 'why'],
    ['drill', 'stop', 'paymnets'],
    ['rollout', 'start', 'paymnets', '--weights', '5,50'],
    ['rollout', 'status', 'paymnets'],
    ['rollout', 'abort', 'paymnets'],
    ['rollout', 'history', 'paymnets'],
    ['init', 'paymnets'],
    ['instances', 'paymnets'],
    ['explain', 'paymnets'],
  ])('is told with the one that was meant: %s %s %s', async (...args) => {
    const { code, stderr } = await world.run(args);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/did you mean payments\?/)]);
  });

  it.each([
    ['instances', 'a/b'],
    ['explain', ''],
    ['override', 'clear', 'payments,orders'],
    ['policy', 'get', 'pay ments'],
    ['init', ''],
  ])('is refused where it can be none: %s %j', async (...args) => {
    const { code, stderr } = await world.run(args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^graylane: service: ".*" \(expected: letters, digits/)]);
  });

  it('of a first policy is refused in another case, in which Consul finds it and no client its policy', async () => {
    const other = world.file('other.json', policyOf('Payments'));
    const { code, stderr } = await world.run(['policy', 'apply', other, '-m', 'why']);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/Payments is registered as payments.*did you mean payments\?/),
    ]);
    expect(await world.kv('graylane/policies/Payments')).toBeUndefined();
    expect((await world.run(['policy', 'validate', other, '--consul'])).code).toBe(1);
    const doctor = await world.run(['doctor', 'Payments', '--no-dial']);
    expect([doctor.code, doctor.stdout]).toEqual([
      1,
      expect.stringMatching(/problem +instances of Payments: Consul lists it as payments/),
    ]);
  });
});

describe('arguments in another order', () => {
  it.each([
    ['1', 'payments'],
    ['payments', '1'],
  ])('are taken by policy show: %s %s', async (...args) => {
    const { code, stdout } = await world.run(['policy', 'show', ...args]);
    expect([code, JSON.parse(stdout)]).toEqual([0, policyOf('payments', 5)]);
  });
});

describe('policy edit', () => {
  it('opens no editor that needs a terminal where there is none', async () => {
    const { code, stderr } = await world.run(['policy', 'edit', 'payments'], { env: { VISUAL: '', EDITOR: '' } });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^graylane: no terminal for vi .*; set EDITOR/)]);
  });
});

describe('a switch that does nothing', () => {
  it('is refused: a subset that is not in the datacenter', async () => {
    const strict = world.file('strict.json', policyOf('payments', 10, { subsets: STRICT }));
    expect(await world.run(['policy', 'apply', strict, '-m', 'strict', '--force'])).toMatchObject({ code: 0 });
    const set = ['override', 'set', 'payments', '--to', 'canary', '--datacenter', 'dc2', '--ttl', '5m', '-m', 'why'];
    const refused = await world.run(set);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/no usable instance of canary in dc2, so clients would go on as without it.*--force/),
    ]);
    expect(await world.run([...set, '--force', '--dry-run'])).toMatchObject({ code: 0 });
  });

  it('is a rollout with canary and stable swapped, which would begin with nearly all calls at the canary', async () => {
    const swapped = ['rollout', 'start', 'payments', '--weights', '5,50', '--canary', 'stable', '--stable', 'canary'];
    const { code, stderr } = await world.run(swapped);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /stable has 90 % of the calls now, and the first step leaves it 5 %: are canary and stable swapped\?/,
      ),
    ]);
    expect(await world.run(['rollout', 'status', 'payments'])).toMatchObject({ code: 1 });
    // A canary that has all of them since its last rollout begins anew with few.
    const full = ['weight', 'payments', 'canary', '100', '-m', 'done', '--force'];
    expect(await world.run(full)).toMatchObject({ code: 0 });
    expect(await world.run(['rollout', 'start', 'payments', '--weights', '5,50'])).toMatchObject({ code: 0 });
  });
});

const STRICT = { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } };
