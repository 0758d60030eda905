import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commandWorld, policyOf } from './two-datacenters';

interface Result {
  readonly service: string;
  readonly outcome: string;
}

interface Stored {
  readonly tombstone?: true;
  readonly routes?: readonly { readonly split: readonly { readonly weight: number }[] }[];
}

const world = commandWorld();

/** Percent of the canary by service; null: deleted. */
async function shares(...services: readonly string[]): Promise<readonly (number | null | undefined)[]> {
  const texts = await Promise.all(services.map((service) => world.kv(`graylane/policies/${service}`)));
  return texts.map((text) => {
    const { tombstone, routes } = JSON.parse(text ?? '{}') as Stored;
    return tombstone === true ? null : routes?.[0]?.split[1]?.weight;
  });
}

/** A file for each service, with its canary's percent. */
function files(percents: Readonly<Record<string, number>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(percents).map(([name, percent]) => [`${name}.json`, policyOf(name, percent)]),
  );
}

async function numberOf(service: string): Promise<number | undefined> {
  const { json } = await world.runJson<readonly { readonly service: string; readonly number: number }[]>([
    'policy',
    'list',
  ]);
  return json.find((each) => each.service === service)?.number;
}

describe('graylane policy sync', () => {
  const sync = (...args: readonly string[]) => world.run(['policy', 'sync', ...args]);

  it('tells what differs, and ends with 1 for it, with --check', async () => {
    await world.run(['policy', 'apply', world.folder('before', files({ a: 5, b: 5, old: 5 })), '-m', 'begin']);
    const root = world.folder('policies', files({ a: 25, b: 5, c: 5 }));
    const check = await sync(root, '--check');
    expect(check.code).toBe(1);
    expect(check.stdout).toMatch(/^a in local: \w+ -> \w+\n(.|\n)*^c in local: no policy -> \w+\n/m);
    expect(check.stdout).toMatch(/^3 services: 2 differ, 1 do not$/m);
    expect(check.stdout).not.toMatch(/^(b|old) in local/m);
    expect(check.stderr).toContain(`note old has a policy in local and none in ${root}; --prune deletes it\n`);
    const markdown = await sync(root, '--check', '--prune', '--markdown');
    expect(markdown.stdout).toMatch(/^### `a` in local\n(.|\n)*^### `c` in local\n(.|\n)*^### `old` in local\n/m);
    const dry = await sync(root, '--dry-run');
    expect([dry.code, dry.stdout]).toEqual([0, expect.stringMatching(/^3 services: 2 would change$/m)]);
    expect(await shares('a', 'b', 'c', 'old')).toEqual([5, 5, undefined, 5]);
  });

  it('writes that, leaves what is alike alone, and does nothing more the next time', async () => {
    const root = world.folder('policies', {});
    const { code, stdout } = await sync(root, '-m', 'as in git');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^written a in local: number 2, .*\nwritten c in local: number 1, .*\n/m);
    expect(stdout).toMatch(/^3 services: 2 written, 1 unchanged$/m);
    expect(await shares('a', 'b', 'c', 'old')).toEqual([25, 5, 5, 5]);
    expect(await numberOf('b')).toBe(1);
    expect((await sync(root, '-m', 'again')).stdout).toBe('3 services: 3 unchanged\n');
    expect((await sync(root, '--check')).code).toBe(0);
    expect(await numberOf('a')).toBe(2);
    // An override is somebody's, for an incident.
    await world.run(['override', 'set', 'a', '--to', 'stable', '--ttl', '1h', '-m', 'incident 42']);
    expect((await sync(root, '--check')).code).toBe(0);
    await world.run(['override', 'clear', 'a', '-m', 'over']);
  });

  it('deletes what is not in the folder with --prune alone, by a tombstone, and once', async () => {
    const root = world.folder('policies', {});
    expect((await sync(root, '--check', '--prune')).code).toBe(1);
    const pruned = await world.runJson<readonly Result[]>(['policy', 'sync', root, '--prune', '-m', 'gone']);
    expect([pruned.code, pruned.json.map(({ service, outcome }) => `${service} ${outcome}`)]).toEqual([
      0,
      ['a unchanged', 'b unchanged', 'c unchanged', 'old written'],
    ]);
    expect(await shares('old', 'a')).toEqual([null, 25]);
    expect((await sync(root, '--check', '--prune')).code).toBe(0);
    expect((await world.run(['policy', 'rollback', 'old'])).code).toBe(0);
    expect(await shares('old')).toEqual([5]);
  });

  it('refuses to delete more than half of what there is, as another folder would', async () => {
    const other = world.folder('other', files({ a: 25, elsewhere: 5 }));
    const refused = await sync(other, '--prune', '-m', 'x');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/refused, nothing was written: local: 3 of 4 policies would be deleted.*--force$/m);
    expect(await shares('b', 'elsewhere')).toEqual([5, undefined]);
    const forced = await sync(other, '--prune', '-m', 'x', '--force');
    expect(forced.code).toBe(0);
    expect(await shares('a', 'b', 'c', 'old', 'elsewhere')).toEqual([25, null, null, null, 5]);
  });

  it('refuses all of it for what one would do to calls', async () => {
    const dc1 = world.consul.dc('dc1');
    await dc1.register({ name: 'served', id: 's1', port: 9001, tags: ['stable'] });
    const root = world.folder('judged', files({ served: 5, a: 25, elsewhere: 5 }));
    await sync(root, '-m', 'begin');
    const slip = policyOf('served', 5, { subsets: { stable: { tags: ['stabel'] }, canary: { tags: ['canary'] } } });
    world.folder('judged', { 'served.json': slip, ...files({ a: 30 }) });
    const refused = await sync(root, '-m', 'x');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('did you mean stable?')]);
    expect(await shares('a')).toEqual([25]);
  });

  it('leaves a service to its rollout while that is under way', async () => {
    const dc1 = world.consul.dc('dc1');
    for (const [at, tag] of ['stable', 'canary'].entries())
      await dc1.register({ name: 'rolling', id: `r-${tag}`, port: 9010 + at, tags: [tag] });
    const root = world.folder('rolling', files({ rolling: 5, a: 25 }));
    await sync(root, '-m', 'begin');
    expect((await world.run(['rollout', 'start', 'rolling', '--weights', '10,50', '--pause', '3600'])).code).toBe(0);
    world.folder('rolling', files({ rolling: 7, a: 30 }));
    const { code, stdout, stderr } = await sync(root, '-m', 'x');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^1 service: 1 written$/m)]);
    expect(stderr).toContain('note rolling is left as it is: a rollout is under way; --force writes it\n');
    expect(await shares('rolling', 'a')).toEqual([5, 30]);
    expect((await sync(root, '--check')).code).toBe(0);
    expect((await sync(root, '-m', 'x', '--force')).code).toBe(0);
    expect(await shares('rolling')).toEqual([7]);
  });

  it('holds each datacenter to the folder', async () => {
    const root = world.folder('wide', files({ a: 30 }));
    expect((await sync(root, '--check', '--dc', 'all')).code).toBe(1);
    expect((await sync(root, '-m', 'x', '--dc', 'all')).code).toBe(0);
    expect(await world.kv('graylane/policies/a', 'dc2')).toBe(await world.kv('graylane/policies/a', 'dc1'));
    expect((await sync(root, '--check', '--dc', 'all')).code).toBe(0);
  });

  it('says what is wrong with the command line', async () => {
    const root = world.folder('policies', {});
    rmSync(join(root, 'none'), { recursive: true, force: true });
    const cases: readonly (readonly [args: readonly string[], stderr: RegExp])[] = [
      [[root], /--message: missing/],
      [[join(root, 'a.json'), '-m', 'x'], /a\.json: no folder \(expected: one with a policy for each service\)/],
      [[join(root, 'none'), '--check'], /none: no folder/],
      [[world.folder('empty', {}), '--prune', '-m', 'x'], /empty: no policy file/],
      [[root, '--markdown', '-m', 'x'], /--markdown: without --check/],
      [[root, '--if-revision', 'abcd', '-m', 'x'], /unknown option/],
    ];
    for (const [args, stderr] of cases) {
      expect(await sync(...args), args.join(' ')).toEqual({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(stderr),
      });
    }
  });
});
