import { describe, expect, it } from 'vitest';
import { commandWorld } from './two-datacenters';

const world = commandWorld();

/** Without the line that says who changed it. */
async function valuesOf(name: string, datacenter?: string): Promise<readonly string[] | undefined> {
  const text = await world.kv(`graylane/lists/${name}`, datacenter);
  return text?.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('graylane lists', () => {
  it('writes, shows and undoes a list, and tells who changed it', async () => {
    const users = world.file('users.txt', '# first wave\nu-1\n u-2\n\nu-3\n');
    const put = await world.run(['lists', 'put', 'beta', users, '-m', 'first wave']);
    expect(put).toMatchObject({ code: 0, stdout: expect.stringContaining('3 values, 3 added, 0 removed') });
    expect(await valuesOf('beta')).toEqual(['u-1', 'u-2', 'u-3']);
    const more = world.file('more.json', '["u-1", "u-3", "u-4", "u-5"]');
    expect((await world.run(['lists', 'put', 'beta', more, '-m', 'second wave'])).stdout).toContain(
      '2 added, 1 removed',
    );
    const { json } = await world.runJson<unknown[]>(['lists', 'list']);
    expect(json).toEqual([expect.objectContaining({ name: 'beta', values: 4, message: 'second wave' })]);
    expect((await world.run(['lists', 'show', 'beta'])).stdout).toBe('u-1\nu-3\nu-4\nu-5\n');
    const has = async (value: string): Promise<number | null> =>
      (await world.run(['lists', 'show', 'beta', '--has', value])).code;
    expect([await has('u-4'), await has('u-2')]).toEqual([0, 1]);
    await world.run(['lists', 'rollback', 'beta', '-m', 'too many']);
    expect(await valuesOf('beta')).toEqual(['u-1', 'u-2', 'u-3']);
    await world.run(['lists', 'rollback', 'beta']);
    expect(await valuesOf('beta')).toEqual(['u-1', 'u-3', 'u-4', 'u-5']);
  });

  it('writes nothing in a dry run, and both datacenters when told so', async () => {
    const users = world.file('both.txt', 'a\nb\n');
    expect((await world.run(['lists', 'put', 'both', users, '--dry-run'])).stdout).toMatch(/would write both/);
    expect(await valuesOf('both')).toBeUndefined();
    await world.run(['lists', 'put', 'both', users, '--dc', 'all']);
    expect([await valuesOf('both', 'dc1'), await valuesOf('both', 'dc2')]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  it('refuses what takes out most values, unless it is meant', async () => {
    const full = world.file('full.txt', Array.from({ length: 100 }, (_, at) => `u-${at}`).join('\n'));
    await world.run(['lists', 'put', 'slip', full]);
    const empty = world.file('empty.txt', '');
    const refused = await world.run(['lists', 'put', 'slip', empty]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/100 of 100 values would go.*--force/)]);
    expect(await valuesOf('slip')).toHaveLength(100);
    expect((await world.run(['lists', 'put', 'slip', empty, '--force'])).code).toBe(0);
    expect(await valuesOf('slip')).toEqual([]);
  });

  it.each<[string, string, readonly string[], number, RegExp]>([
    ['a value with a line break', '["a\\nb"]', ['put', 'bad', 'FILE'], 1, /"a\\nb" \(expected: values without #/],
    ['no JSON', '["a"', ['put', 'bad', 'FILE'], 1, /expected: a JSON list of texts/],
    [
      'a name that is a path',
      'a',
      ['put', '../policies/payments', 'FILE'],
      2,
      /expected: letters, digits, _, \. and -/,
    ],
    ['a list that is not there', '', ['show', 'nobody'], 1, /nobody: no such list \(expected: one of /],
    ['nothing to undo', '', ['rollback', 'nobody'], 1, /no change that could be undone/],
  ])('says what is wrong with %s', async (_, text, args, code, expected) => {
    const file = world.file('bad.txt', text);
    const ended = await world.run(['lists', ...args.map((arg) => (arg === 'FILE' ? file : arg))]);
    expect([ended.code, ended.stderr]).toEqual([code, expect.stringMatching(expected)]);
    expect(await valuesOf('bad')).toBeUndefined();
  });

  it('holds 25,000 values', async () => {
    const values = Array.from({ length: 25_000 }, (_, at) => `user-${String(at).padStart(10, '0')}`);
    const put = await world.run(['lists', 'put', 'large', world.file('large.txt', values.join('\n'))]);
    expect(put).toMatchObject({ code: 0, stdout: expect.stringContaining('25000 values') });
    expect(await valuesOf('large')).toHaveLength(25_000);
  });
});
