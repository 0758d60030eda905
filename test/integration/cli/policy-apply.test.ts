import { describe, expect, it } from 'vitest';
import { commandWorld, policyOf } from './two-datacenters';

interface Result {
  readonly datacenter: string;
  readonly outcome: string;
  readonly number?: number;
  readonly from?: string | null;
  readonly to?: string;
  readonly refusals?: readonly string[];
  readonly remarks?: readonly string[];
}

interface Log {
  readonly entries: readonly {
    readonly number: number;
    readonly revision: string;
    readonly author: string;
    readonly message: string;
    readonly kind: string;
    readonly time: string;
  }[];
  readonly problems?: readonly { readonly number?: number; readonly problem: string }[];
}

const world = commandWorld();

async function log(service: string): Promise<Log> {
  const { json, code } = await world.runJson<readonly Log[]>(['policy', 'log', service, '--verify']);
  const [only] = json;
  if (only === undefined) throw new Error(`no log, code ${code}`);
  return only;
}

describe('graylane policy apply', () => {
  it('writes policy and history together, says what changed, and writes nothing when nothing did', async () => {
    const first = await world.run(['policy', 'apply', world.file('a.json', policyOf('first', 5)), '-m', 'begin']);
    expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('no instances') });
    expect(first.stdout).toMatch(/^first in local: no policy -> [0-9a-f]{12}$/m);
    expect(JSON.parse((await world.kv('graylane/policies/first')) ?? '')).toEqual(policyOf('first', 5));

    const second = await world.run(['policy', 'apply', world.file('a.yaml', policyOf('first', 25)), '-m', 'more']);
    expect(second.code).toBe(0);
    expect(second.stdout).toContain('~ routes[everyone].split[canary].weight: 5 -> 25');
    expect(second.stdout).toMatch(/route everyone: (19|20)\.\d % of its sticky callers move \(20\.0 % has to\)/);
    expect(second.stdout).toContain('-        weight: 5\n+        weight: 25');
    expect(second.stdout).toMatch(/^written local: number 2, revision [0-9a-f]{12}$/m);

    const same = await world.run(['policy', 'apply', world.file('a.yaml', policyOf('first', 25)), '-m', 'again']);
    expect([same.code, same.stdout]).toEqual([0, expect.stringContaining('unchanged local')]);

    const { entries, problems } = await log('first');
    expect(problems).toEqual([]);
    expect(entries.map(({ number, message, kind }) => [number, message, kind])).toEqual([
      [2, 'more', 'apply'],
      [1, 'begin', 'apply'],
    ]);
    expect(entries[0]?.author).toMatch(/.+@.+/);
    expect(Math.abs(Date.parse(entries[0]?.time ?? '') - Date.now())).toBeLessThan(60_000);
  });

  it('rolls back by writing a new revision, by number and by revision, and shows what was', async () => {
    for (const share of [5, 25, 50]) {
      await world.run(['policy', 'apply', world.file('b.json', policyOf('back', share)), '-m', `to ${share}`]);
    }
    const { entries } = await log('back');
    const shown = await world.run(['policy', 'show', '2', 'back']);
    expect(JSON.parse(shown.stdout)).toEqual(policyOf('back', 25));

    const back = await world.runJson<readonly Result[]>(['policy', 'rollback', '1', 'back', '-m', 'incident 42']);
    expect([back.code, back.json[0]?.outcome, back.json[0]?.number]).toEqual([0, 'written', 4]);
    expect(JSON.parse((await world.kv('graylane/policies/back')) ?? '')).toEqual(policyOf('back', 5));

    const revision = entries[1]?.revision.slice(0, 6) ?? '';
    const again = await world.run(['policy', 'rollback', revision, 'back']);
    expect(again.code).toBe(0);
    expect(JSON.parse((await world.kv('graylane/policies/back')) ?? '')).toEqual(policyOf('back', 25));
    const after = await log('back');
    expect(after.problems).toEqual([]);
    expect(after.entries.slice(0, 2).map(({ kind, message }) => [kind, message])).toEqual([
      ['rollback', `back to ${revision}`],
      ['rollback', 'incident 42'],
    ]);

    const unknown = await world.run(['policy', 'rollback', '99', 'back']);
    expect(unknown).toEqual({
      code: 1,
      stdout: '',
      stderr: 'graylane: back has no revision 99; 1 to 5 are kept; run graylane policy log back\n',
    });
  });

  it('keeps what somebody had put in Consul by hand, so that it can be had back', async () => {
    await world.consul.dc('dc1').putKv('graylane/policies/byhand', JSON.stringify(policyOf('byhand', 7)));
    await world.run(['policy', 'apply', world.file('c.json', policyOf('byhand', 9)), '-m', 'properly']);
    await world.consul.dc('dc1').putKv('graylane/policies/byhand', 'not { JSON');
    const before = await log('byhand');
    expect(before.problems?.map(({ problem }) => problem)).toEqual([
      expect.stringContaining('written past the history'),
    ]);
    const over = await world.run(['policy', 'apply', world.file('c.json', policyOf('byhand', 9)), '-m', 'mend']);
    expect(over.stderr).toContain('not a valid policy');

    const { entries, problems } = await log('byhand');
    expect(problems).toEqual([]);
    expect(entries.map(({ kind }) => kind)).toEqual(['apply', 'found', 'apply', 'found']);
    expect((await world.run(['policy', 'show', '3', 'byhand'])).stdout).toBe('not { JSON\n');
    expect(JSON.parse((await world.run(['policy', 'show', '1', 'byhand'])).stdout)).toEqual(policyOf('byhand', 7));
    expect((await world.run(['policy', 'rollback', '3', 'byhand'])).stderr).toContain(
      'number 3 of byhand is not valid: ',
    );
  });

  it('writes nothing under --dry-run, and nothing without a message', async () => {
    const file = world.file('d.json', policyOf('dry', 5));
    const dry = await world.runJson<readonly Result[]>(['policy', 'apply', file, '--dry-run']);
    expect([dry.code, dry.json[0]?.outcome]).toEqual([0, 'planned']);
    const silent = await world.run(['policy', 'apply', file]);
    expect([silent.code, silent.stderr]).toEqual([2, expect.stringContaining('--message: missing')]);
    expect(await world.kv('graylane/policies/dry')).toBeUndefined();
    expect(await world.kv('graylane/history/dry/0000000001')).toBeUndefined();
  });

  it.each([
    ['a renamed route', { routes: [{ ...route(5), name: 'all' }] }, /stickySalt: everyone keeps it/],
    ['another label', { routes: [{ ...route(5), stickBy: 'x-session' }] }, /stickBy is x-session instead of x-user-id/],
    ['another base', { default: 'canary' }, /the base of the split is canary instead of stable/],
    ['no label any more', { routes: [withoutStickBy(route(5))] }, /each of their calls goes by chance/],
  ])('refuses %s, which reshuffles sticky callers, unless it is meant', async (what, change, reason) => {
    const service = `shuffle-${what.replaceAll(' ', '-')}`;
    await world.run(['policy', 'apply', world.file('e.json', policyOf(service, 5)), '-m', 'begin']);
    const file = world.file('e.json', policyOf(service, 5, change));
    const refused = await world.run(['policy', 'apply', file, '-m', 'oops']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(reason)]);
    expect(refused.stderr).toMatch(/route everyone: \d+\.\d % of its sticky callers move, where 0\.0 % would do/);
    expect(refused.stderr).toMatch(/--allow-reshuffle\n$/);
    expect((await log(service)).entries).toHaveLength(1);
    expect((await world.run(['policy', 'apply', file, '-m', 'meant', '--allow-reshuffle'])).code).toBe(0);
  });

  it('refuses weights that the healthy instances cannot carry, unless forced; never one that lightens the load', async () => {
    const dc1 = world.consul.dc('dc1');
    const member = (id: string, tag: string, port: number): Promise<void> =>
      dc1.register({ name: 'heavy', id, address: '127.0.0.1', port, tags: [tag] });
    for (let index = 0; index < 3; index += 1) await member(`heavy-s${index}`, 'stable', 7000 + index);
    await member('heavy-c', 'canary', 7100);
    const apply = (share: number, ...flags: readonly string[]): Promise<{ code: number | null; stderr: string }> =>
      world.run(['policy', 'apply', world.file('f.json', policyOf('heavy', share)), '-m', `to ${share}`, ...flags]);
    expect((await apply(50)).code).toBe(0);
    const refused = await apply(60);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'canary would get 2.4 times its fair share in local (60.0 % of the calls on 1 of 4 healthy instances; ' +
          'expected: at most 2, --max-load-factor)',
      ),
    });
    expect((await apply(60, '--max-load-factor', '3')).code).toBe(0);
    expect((await apply(90, '--force')).code).toBe(0);
    expect((await apply(80)).code).toBe(0);
    await dc1.setStatus('heavy-c', 'critical');
    expect((await apply(90)).stderr).toContain('canary has no healthy instance in local, nor elsewhere');
    expect((await apply(0)).code).toBe(0);
  });

  it('rolls back over what apply would refuse, and says so', async () => {
    const dc1 = world.consul.dc('dc1');
    for (const [id, tag] of [
      ['bold-1', 'stable'],
      ['bold-2', 'stable'],
      ['bold-3', 'stable'],
      ['bold-c', 'canary'],
    ] as const) {
      await dc1.register({
        name: 'bold',
        id,
        address: '127.0.0.1',
        port: 7200 + Number(id.at(-1)) || 7299,
        tags: [tag],
      });
    }
    await world.run(['policy', 'apply', world.file('bold.json', policyOf('bold', 80)), '-m', 'bold', '--force']);
    await world.run(['policy', 'apply', world.file('bold.json', policyOf('bold', 5)), '-m', 'shy']);
    const back = await world.run(['policy', 'rollback', '1', 'bold']);
    expect([back.code, back.stderr]).toEqual([0, expect.stringContaining('canary would get 3.2 times its fair share')]);
  });

  it('lets nothing that stands in Consul move the cursor', async () => {
    const file = world.file('esc.json', policyOf('escaped', 5));
    await world.run(['policy', 'apply', file, '-m', '\u001b]0;owned\u0007\u001b[2Jwhy\nnot']);
    const { stdout } = await world.run(['policy', 'log', 'escaped']);
    expect(stdout).toContain('why not');
    expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  it('applies only to what was reviewed, with --if-revision', async () => {
    const file = world.file('g.json', policyOf('reviewed', 5));
    const [first] = (await world.runJson<readonly Result[]>(['policy', 'apply', file, '-m', 'begin'])).json;
    const next = world.file('g.json', policyOf('reviewed', 6));
    const stale = await world.run(['policy', 'apply', next, '-m', 'x', '--if-revision', 'abcd12']);
    expect([stale.code, stale.stderr]).toEqual([1, expect.stringContaining(`revision ${first?.to} is in force`)]);
    const right = await world.run(['policy', 'apply', next, '-m', 'x', '--if-revision', first?.to ?? '']);
    expect(right.code).toBe(0);
  });

  it('applies to all datacenters, says which took it, and shows and finds divergence', async () => {
    const file = world.file('h.json', policyOf('wide', 5));
    const both = await world.runJson<readonly Result[]>(['policy', 'apply', file, '-m', 'wide', '--dc', 'all']);
    expect(both.json.map(({ datacenter, outcome }) => [datacenter, outcome])).toEqual([
      ['dc1', 'written'],
      ['dc2', 'written'],
    ]);
    expect(JSON.parse((await world.kv('graylane/policies/wide', 'dc2')) ?? '')).toEqual(policyOf('wide', 5));
    expect((await world.run(['policy', 'get', 'wide', '--dc', 'all'])).code).toBe(0);

    await world.run(['policy', 'apply', world.file('h2.json', policyOf('wide', 10)), '-m', 'one', '--dc', 'dc2']);
    const diverging = await world.run(['policy', 'get', 'wide', '--dc', 'all']);
    expect([diverging.code, diverging.stderr]).toEqual([1, expect.stringContaining('the datacenters diverge')]);
    const drift = await world.run(['policy', 'diff', file, '--dc', 'all']);
    expect(drift.code).toBe(1);
    expect(drift.stdout).toContain('wide in dc1: unchanged');
    expect(drift.stdout).toContain('wide in dc2: ');
    expect((await world.run(['policy', 'diff', file])).code).toBe(0);
  });

  it('writes where it can when a datacenter is gone, says so, and ends with 1', async () => {
    await world.consul.dc('dc2').kill();
    const file = world.file('gone.json', policyOf('gone', 5));
    const { code, json, stderr } = await world.runJson<readonly Result[]>([
      'policy',
      'apply',
      file,
      '-m',
      'x',
      '--dc',
      'dc1,dc2',
    ]);
    expect([code, json.map(({ datacenter, outcome }) => [datacenter, outcome])]).toEqual([
      1,
      [
        ['dc1', 'written'],
        ['dc2', 'failed'],
      ],
    ]);
    expect(stderr).toMatch(
      /^graylane: dc2: not written: graylane\/policies\/gone: .*; look at the agent's log, then run graylane policy diff/m,
    );
    const all = await world.run(['policy', 'get', 'gone', '--dc', 'dc2']);
    expect([all.code, all.stdout]).toEqual([2, '']);
  });
});

function route(canaryPercent: number): Record<string, unknown> {
  return (policyOf('any', canaryPercent)['routes'] as readonly Record<string, unknown>[])[0] ?? {};
}

function withoutStickBy({ stickBy: _, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return rest;
}
