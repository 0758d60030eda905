import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { setShare } from '../../../src/policy/set-share';
import { startInTerminal } from './terminal-command';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld();

interface Split {
  readonly routes: readonly {
    readonly name: string;
    readonly split?: readonly { readonly to: string; readonly weight: number }[];
  }[];
}

async function begin(service: string, percent = 5, change: object = {}): Promise<void> {
  const file = world.file(`${service}.json`, policyOf(service, percent, change));
  expect((await world.run(['policy', 'apply', file, '-m', `to ${percent}`, '--dc', 'all'])).code).toBe(0);
}

async function stored(service: string, datacenter = 'dc1'): Promise<Split> {
  return JSON.parse((await world.kv(`graylane/policies/${service}`, datacenter)) ?? 'null') as Split;
}

async function weightsOf(service: string, route = 'everyone', datacenter = 'dc1'): Promise<readonly number[]> {
  const { routes } = await stored(service, datacenter);
  return routes.find(({ name }) => name === route)?.split?.map(({ weight }) => weight) ?? [];
}

describe('setShare()', () => {
  const entries = (...weights: number[]) => weights.map((weight, at) => ({ to: `s${at}`, weight }));
  it.each([
    ['two', entries(95, 5), 's1', 25, [75, 25]],
    ['any scale', entries(3, 1), 's1', 50, [50, 50]],
    ['three keep their proportion', entries(60, 30, 10), 's2', 40, [40, 20, 40]],
    ['rounding is given to the largest', entries(1, 1, 1, 1), 's3', 0, [33.34, 33.33, 33.33, 0]],
    ['everything', entries(95, 5), 's1', 100, [0, 100]],
    ['back from everything: the base', entries(0, 0, 100), 's2', 5, [0, 95, 5]],
    ['fractions', entries(95, 5), 's1', 0.01, [99.99, 0.01]],
  ])('%s', (_, split, subset, percent, weights) => {
    const changed = setShare(split, subset, percent, 's1');
    expect(changed.map(({ weight }) => weight)).toEqual(weights);
    expect(changed.map(({ to }) => to)).toEqual(split.map(({ to }) => to));
  });
});

describe('graylane weight', () => {
  it('sets the share of a subset in the route of all calls, with history, and shows what changes', async () => {
    await begin('payments');
    const { code, stdout } = await world.run(['weight', 'payments', 'canary', '25', '-m', 'looks good']);
    expect(code).toBe(0);
    expect(stdout).toContain('~ routes[everyone].split[canary].weight: 5 -> 25');
    expect(stdout).toMatch(/^written local: number 2, revision [0-9a-f]{12}$/m);
    expect(await weightsOf('payments')).toEqual([75, 25]);
    expect((await world.run(['policy', 'log', 'payments'])).stdout).toContain('looks good');
    expect((await world.run(['weight', 'payments', 'canary', '30', '--dry-run'])).code).toBe(0);
    expect(await weightsOf('payments')).toEqual([75, 25]);
  });

  it('sets that of another route where it is named, and in every datacenter that has the same policy', async () => {
    const routes = policyOf('x')['routes'] as readonly object[];
    const beta = { name: 'beta', match: { labels: { 'x-beta': '1' } }, ...{ split: [{ to: 'canary', weight: 1 }] } };
    const split = [...beta.split, { to: 'stable', weight: 1 }];
    await begin('routed', 5, { routes: [{ ...beta, split }, ...routes] });
    const set = ['weight', 'routed', 'canary', '10%', '-m', 'x', '--dc', 'all', '--route', 'beta'];
    expect((await world.run(set)).code).toBe(0);
    for (const dc of ['dc1', 'dc2']) {
      expect(await weightsOf('routed', 'beta', dc)).toEqual([10, 90]);
      expect(await weightsOf('routed', 'everyone', dc)).toEqual([95, 5]);
    }
    await world.run(['weight', 'routed', 'canary', '7', '-m', 'one of them']);
    const diverging = await world.run(['weight', 'routed', 'canary', '20', '-m', 'x', '--dc', 'all']);
    expect(diverging).toMatchObject({ code: 1, stderr: expect.stringContaining('name one with --dc') });
    expect(await weightsOf('routed', 'everyone', 'dc2')).toEqual([95, 5]);
  });

  it('says what is there when it cannot', async () => {
    await begin('told');
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [
        ['told', 'canray', '5', '-m', 'x'],
        2,
        /subset: canray \(expected: one of the policy's: stable, canary\); did you mean canary\?/,
      ],
      [
        ['told', 'canary', '5', '-m', 'x', '--route', 'everyon'],
        2,
        /--route: everyon \(expected: .*everyone\); did you mean everyone\?/,
      ],
      [['told', 'canary', '101', '-m', 'x'], 2, /expected: 0 to 100/],
      [['told', 'canary', '5'], 2, /--message: missing/],
      [['tol', 'canary', '5', '-m', 'x'], 1, /tol has no policy in local; did you mean told\?/],
    ];
    for (const [args, code, stderr] of cases) {
      const ended = await world.run(['weight', ...args]);
      expect([ended.code, ended.stdout], args.join(' ')).toEqual([code, '']);
      expect(ended.stderr, args.join(' ')).toMatch(stderr);
    }
  });
});

describe('graylane policy list, delete and edit', () => {
  it('lists who changed what last', async () => {
    await begin('listed');
    await world.run(['override', 'set', 'listed', '--to', 'stable', '--ttl', '1h', '-m', 'incident 42']);
    const { code, stdout } = await world.run(['policy', 'list']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^service +revision +number +time +author +message$/m);
    expect(stdout).toMatch(/^listed +[0-9a-f]{12} +2 +\S+Z +\S+@\S+ +override until \S+; /m);
    const { json } = await world.runJson<readonly object[]>(['policy', 'list', '--dc', 'all']);
    expect(json).toContainEqual(
      expect.objectContaining({ service: 'listed', datacenter: 'dc2', number: 1, message: 'to 5' }),
    );
  });

  it('deletes by a tombstone, which a rollback takes back', async () => {
    await begin('ended');
    expect((await world.run(['policy', 'delete', 'ended'])).code).toBe(2);
    expect((await world.run(['policy', 'delete', 'ended', '-m', 'no canaries'])).code).toBe(0);
    expect(await stored('ended')).toEqual({ schema: 1, service: 'ended', tombstone: true });
    expect((await world.run(['policy', 'list'])).stdout).toMatch(/^ended +deleted +2 /m);
    expect((await world.run(['policy', 'rollback', 'ended'])).code).toBe(0);
    expect(await weightsOf('ended')).toEqual([95, 5]);
    const none = await world.run(['policy', 'delete', 'never', '-m', 'x']);
    expect([none.code, none.stderr]).toEqual([1, 'graylane: never has no policy; run graylane policy list\n']);
  });

  const edit = (service: string, editor: string, ...more: string[]) =>
    world.run(['policy', 'edit', service, '--yes', '-m', 'by hand', ...more], { env: { EDITOR: editor } });

  it('edits what is in force, and writes nothing when nothing changed', async () => {
    await begin('edited');
    const { code, stdout } = await edit('edited', "sed -i 's/weight: 5$/weight: 20/; s/weight: 95/weight: 80/'");
    expect([code, stdout]).toEqual([0, expect.stringContaining('split[canary].weight: 5 -> 20')]);
    expect(await weightsOf('edited')).toEqual([80, 20]);
    const same = await edit('edited', 'true');
    expect(same).toEqual({ code: 0, stdout: '', stderr: 'unchanged, nothing was written\n' });
  });

  it('keeps a text that is refused, was overtaken, or whose editor failed', async () => {
    await begin('kept');
    const wrong = await edit('kept', "sed -i 's/to: canary/to: canray/'");
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/canray.*\n(?:.*\n)*.*nothing was written/)]);
    const file = /your text is kept in (\S+)/.exec(wrong.stderr)?.[1] ?? '';
    expect(readFileSync(file, 'utf8')).toContain('canray');
    expect((await edit('kept', 'false')).stderr).toMatch(/false ended with 1; nothing was written/);
    const other = world.file('other.json', policyOf('kept', 50));
    const { CONSUL_HTTP_ADDR } = { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address };
    // Somebody else applies while the editor is open.
    const apply = `'${process.execPath}' dist/cli.js policy apply ${other} -m faster`;
    const overtaken = await world.run(['policy', 'edit', 'kept', '--yes', '-m', 'slower'], {
      env: { CONSUL_HTTP_ADDR, EDITOR: `${apply} && sed -i 's/weight: 5$/weight: 6/'` },
    });
    expect([overtaken.code, overtaken.stderr]).toEqual([1, expect.stringContaining('is in force (expected: ')]);
    expect(await weightsOf('kept')).toEqual([50, 50]);
  });

  it('asks on a terminal, and without one says that it cannot', async () => {
    await begin('asked');
    const editor = 'sed -i s/x-user-id/x-account/';
    const piped = await world.run(['policy', 'edit', 'asked', '--allow-reshuffle'], { env: { EDITOR: editor } });
    expect([piped.code, piped.stderr]).toEqual([2, expect.stringContaining('add --yes and -m MESSAGE')]);
    for (const [keys, code, stickBy] of [
      [['n\n'], 1, 'x-user-id'],
      [['y\n', 'by account\n'], 0, 'x-account'],
    ] as const) {
      const terminal = startInTerminal(
        ['policy', 'edit', 'asked', '--allow-reshuffle'],
        { CONSUL_HTTP_ADDR: world.consul.dc('dc1').address, EDITOR: editor },
        { columns: 100, rows: 40 },
      );
      const questions = [/Write it\?/, /Why, for the history/];
      for (const [at, key] of keys.entries()) {
        await expect.poll(() => terminal.text, { timeout: 15_000 }).toMatch(questions[at] ?? /$/);
        terminal.type(key);
      }
      expect(await terminal.ended, terminal.text).toBe(code);
      expect(JSON.stringify(await stored('asked'))).toContain(stickBy);
    }
    expect((await world.run(['policy', 'log', 'asked', '-n', '1'])).stdout).toContain('by account');
    expect(existsSync(dirname(world.file('still-there', '')))).toBe(true);
  });
});

describe('graylane policy rollback', () => {
  it('takes both orders, and without a number goes to the one before; never to what a rollback has left', async () => {
    for (const percent of [5, 25, 50, 75]) await begin('back', percent);
    const roll = async (...args: string[]) => (await world.run(['policy', 'rollback', ...args])).stdout;
    expect(await roll('back', '--dry-run')).toMatch(/^back in local: number 4 -> 3, written \S+Z by \S+: to 50$/m);
    await roll('back');
    expect(await weightsOf('back')).toEqual([50, 50]);
    await roll('back');
    expect(await weightsOf('back')).toEqual([75, 25]);
    await roll('back', '4');
    expect(await weightsOf('back')).toEqual([25, 75]);
    await roll('1', 'back');
    expect(await weightsOf('back')).toEqual([95, 5]);
    const first = await world.run(['policy', 'rollback', 'back']);
    expect([first.code, first.stderr]).toEqual([
      1,
      expect.stringContaining('no earlier policy in the history of local'),
    ]);
  });

  it('looks past overrides, and tells a service whose name could be a revision from a revision', async () => {
    await begin('cafe', 5);
    await begin('cafe', 25);
    await world.run(['override', 'set', 'cafe', '--to', 'stable', '--ttl', '1h', '-m', 'incident']);
    await world.run(['policy', 'rollback', 'cafe']);
    expect(await weightsOf('cafe')).toEqual([95, 5]);
    expect((await world.run(['policy', 'rollback', '2', 'cafe'])).code).toBe(0);
    expect(await weightsOf('cafe')).toEqual([75, 25]);
    expect((await world.run(['policy', 'rollback', 'cafe', '1'])).code).toBe(0);
    expect(await weightsOf('cafe')).toEqual([95, 5]);
  });
});

describe('graylane policy diff --markdown', () => {
  it('is Markdown that no value of a policy breaks out of', async () => {
    await begin('merged');
    const file = world.file('merged.json', policyOf('merged', 25, { retry: 'off' }));
    const { code, stdout } = await world.run(['policy', 'diff', file, '--markdown']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^### `merged` in local$/m);
    expect(stdout).toMatch(/^`[0-9a-f]{12}` → `[0-9a-f]{12}`$/m);
    expect(stdout).toContain('- `~ routes[everyone].split[canary].weight: 5 -> 25`');
    expect(stdout).toMatch(/^- route `everyone`: \*\*\d+\.\d %\*\* of its sticky callers move \(20\.0 % has to\)$/m);
    expect(stdout).toMatch(/<details>.*\n\n```diff\n[\s\S]*\n\+ +weight: 25\n[\s\S]*```\n\n<\/details>/);

    const label = { exact: '``` </details> `x`' };
    const routes = [{ name: 'odd', match: { labels: { 'x-odd': label } }, to: 'canary' }];
    const odd = world.file('odd.json', policyOf('merged', 5, { routes }));
    const shown = (await world.run(['policy', 'diff', odd, '--markdown'])).stdout;
    expect(shown).toMatch(/^- ```` .*``` <\/details> `x`.* ````$/m);
    expect(shown).toMatch(/^````diff$/m);
    const same = await world.run(['policy', 'diff', world.file('s.json', policyOf('merged')), '--markdown']);
    expect([same.code, same.stdout]).toEqual([0, expect.stringMatching(/Unchanged/)]);
  });
});
