import { beforeAll, describe, expect, it } from 'vitest';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld();
const SERVICE = 'shop';
const TYPO = { subsets: { stable: { tags: ['stabel'] }, canary: { tags: ['canary'], fallback: 'stable' } } };
const MEANT = 'stable: none of 5 instances has tag stabel (tags there: stable 4, canary 1); did you mean stable?';

beforeAll(async () => {
  const dc1 = world.consul.dc('dc1');
  for (const [at, tag] of ['stable', 'stable', 'stable', 'stable', 'canary'].entries()) {
    await dc1.register({ name: SERVICE, id: `${tag}-${at}`, address: '127.0.0.1', port: 7300 + at, tags: [tag] });
  }
  await dc1.putKv(`graylane/policies/${SERVICE}`, JSON.stringify(policyOf(SERVICE)));
});

function file(name: string, change: object = {}): string {
  return world.file(`${name}.json`, policyOf(SERVICE, 5, change));
}

describe('the effect of a change', { timeout: 120_000 }, () => {
  it('refuses a misspelt tag in apply, with what is there; --force writes it all the same', async () => {
    const typo = file('typo', TYPO);
    const refused = await world.run(['policy', 'apply', typo, '-m', 'oops']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(MEANT)]);
    expect(refused.stderr).toMatch(/^graylane: refused, nothing was written: .*--force\n$/m);
    expect(JSON.parse((await world.kv(`graylane/policies/${SERVICE}`)) ?? '')).toEqual(policyOf(SERVICE));

    const diff = await world.run(['policy', 'diff', typo]);
    expect([diff.code, diff.stdout]).toEqual([1, expect.stringContaining(`warning calls of route everyone (95 %)`)]);
    expect(diff.stdout).toContain(MEANT);

    const yaml = `schema: 1\nservice: ${SERVICE}\nsubsets:\n  stable:\n    tags: [stabel]\n`;
    const validated = await world.run(['policy', 'validate', world.file('typo.yaml', yaml), '--consul']);
    expect([validated.code, validated.stdout]).toEqual([
      1,
      expect.stringMatching(/error .*typo\.yaml.* in local, .*did you mean/),
    ]);

    expect((await world.run(['policy', 'apply', typo, '-m', 'meant', '--force'])).code).toBe(0);
    const doctor = await world.run(['doctor', SERVICE]);
    expect([doctor.code, doctor.stdout]).toEqual([
      1,
      expect.stringContaining(`problem  calls of ${SERVICE}: calls of route everyone`),
    ]);
    const back = await world.run(['policy', 'apply', file('good'), '-m', 'back']);
    expect([back.code, back.stderr]).toEqual([0, '']);
  });

  it('refuses an override to nobody, to few, and to a datacenter that there is not; --force sets it', async () => {
    const set = (...args: readonly string[]) =>
      world.run(['override', 'set', SERVICE, '--ttl', '5m', '-m', 'incident', ...args]);
    const misspelt = await set('--datacenter', 'dc22');
    expect([misspelt.code, misspelt.stderr]).toEqual([1, expect.stringContaining('did you mean dc2?')]);
    const few = await set('--to', 'canary');
    expect([few.code, few.stderr]).toEqual([1, expect.stringContaining('calls would go to 1 of the 5 instances')]);
    expect((await set('--to', 'canary', '--force')).code).toBe(0);
    expect((await world.run(['override', 'clear', SERVICE])).code).toBe(0);
    const well = await set('--to', 'stable');
    expect([well.code, well.stderr]).toEqual([0, '']);
    expect((await world.run(['override', 'clear', SERVICE])).code).toBe(0);
  });

  it('refuses to roll back to a policy whose canary is gone, and a rollout of one', async () => {
    const green = { stable: { tags: ['stable'] }, canary: { tags: ['green'] } };
    const dc1 = world.consul.dc('dc1');
    await dc1.register({ name: SERVICE, id: 'green', address: '127.0.0.1', port: 7399, tags: ['green'] });
    expect((await world.run(['policy', 'apply', file('green', { subsets: green }), '-m', 'green'])).code).toBe(0);
    expect((await world.run(['policy', 'apply', file('good'), '-m', 'back'])).code).toBe(0);
    await dc1.deregister('green');
    type Log = { readonly entries: readonly { readonly number: number; readonly message: string }[] };
    const { json } = await world.runJson<readonly Log[]>(['policy', 'log', SERVICE]);
    const number = String(json[0]?.entries.find(({ message }) => message === 'green')?.number);
    const back = await world.run(['policy', 'rollback', number, SERVICE]);
    expect([back.code, back.stderr]).toEqual([1, expect.stringContaining('canary: none of 5 instances has tag green')]);
    expect((await world.run(['policy', 'rollback', number, SERVICE, '--force'])).code).toBe(0);
    const start = ['rollout', 'start', SERVICE, '--weights', '10,100'];
    const rollout = await world.run(start);
    expect([rollout.code, rollout.stderr]).toEqual([1, expect.stringContaining('nothing was started: ')]);
    expect((await world.run([...start, '--force'])).code).toBe(0);
    expect((await world.run(['rollout', 'abort', SERVICE])).code).toBe(0);
    expect((await world.run(['policy', 'apply', file('good'), '-m', 'back'])).code).toBe(0);
  });

  it('refuses a filter that Consul cannot evaluate, and tells of it', async () => {
    const filter = 'Service.Meta.lane is empty';
    const subsets = { stable: { tags: ['stable'] }, canary: { filter, fallback: 'stable' } };
    const refused = await world.run(['policy', 'apply', file('filter', { subsets }), '-m', 'oops']);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/Consul refuses its filter: HTTP 500: .*Is Empty/),
    ]);
    expect(refused.stderr).not.toContain('token');
    const bad = file('syntax', { subsets: { ...subsets, canary: { filter: 'Service.Port > 3' } } });
    const invalid = await world.run(['policy', 'validate', bad]);
    expect([invalid.code, invalid.stdout]).toEqual([
      1,
      expect.stringContaining('subsets.canary.filter: > at character 14'),
    ]);
    await world.consul
      .dc('dc1')
      .putKv(`graylane/policies/${SERVICE}`, JSON.stringify(policyOf(SERVICE, 5, { subsets })));
    const doctor = await world.run(['doctor', SERVICE]);
    expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining('Consul refuses its filter')]);
    const explained = await world.run(['explain', SERVICE]);
    expect([explained.code, explained.stdout]).toEqual([0, expect.stringContaining('stable')]);
  });
});
