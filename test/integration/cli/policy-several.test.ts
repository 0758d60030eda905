import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { commandWorld, policyOf } from './two-datacenters';
import { startWriteSpy, type WriteSpy } from './write-spy';

interface Result {
  readonly service: string;
  readonly datacenter: string;
  readonly outcome: string;
  readonly number?: number;
}

const world = commandWorld();
const json = JSON.stringify;

async function stored(service: string, datacenter?: string): Promise<unknown> {
  return JSON.parse((await world.kv(`graylane/policies/${service}`, datacenter)) ?? 'null');
}

/** How many changes there have been. */
async function changes(service: string): Promise<number> {
  const { json: logs } = await world.runJson<readonly { readonly entries: readonly object[] }[]>([
    'policy',
    'log',
    service,
  ]);
  return logs[0]?.entries.length ?? 0;
}

function outcomes(results: readonly Result[]): readonly string[] {
  return results.map(({ service, datacenter, outcome }) => `${service} ${datacenter} ${outcome}`);
}

describe('graylane policy apply, of several', () => {
  it('writes files, folders and several documents of a file, each with a history of its own; alike is left alone', async () => {
    const several = `# two of them\n---\n${json(policyOf('multi-b'))}\n---\n# nothing\n---\n${json(policyOf('multi-c'))}\n`;
    const root = world.folder('multi', {
      'a.json': policyOf('multi-a'),
      'below/bc.yaml': several,
      'below/deeper/d.YML': json(policyOf('multi-d')),
      '.hidden.yaml': 'no: policy',
      '.git/config.yaml': 'no: policy',
      'README.md': 'no policy',
    });
    // Leads back; Kubernetes mounts files as links.
    symlinkSync(root, join(root, 'below', 'back'));
    symlinkSync(world.folder('elsewhere', { 'l.yaml': json(policyOf('multi-l')) }), join(root, 'linked'));
    const single = world.file('multi-e.json', policyOf('multi-e'));
    const args = ['policy', 'apply', root, single, join(root, 'a.json'), '-m', 'all of them'];
    const { code, stdout } = await world.run(args);
    expect(code).toBe(0);
    const names = ['multi-a', 'multi-b', 'multi-c', 'multi-d', 'multi-l', 'multi-e'];
    expect(stdout.split('\n').filter((line) => line.startsWith('written'))).toEqual(
      names.map((name) => expect.stringMatching(`^written ${name} in local: number 1, revision [0-9a-f]{12}$`)),
    );
    expect(stdout).toMatch(/^6 services: 6 written$/m);
    for (const name of names) expect(await stored(name)).toEqual(policyOf(name));

    writeFileSync(join(root, 'a.json'), json(policyOf('multi-a', 25)));
    const again = await world.runJson<readonly Result[]>(args);
    expect([again.code, outcomes(again.json)]).toEqual([
      0,
      names.map((name) => `${name} local ${name === 'multi-a' ? 'written' : 'unchanged'}`),
    ]);
    expect([await changes('multi-a'), await changes('multi-b')]).toEqual([2, 1]);
    const third = await world.run(args);
    expect([third.code, third.stdout]).toEqual([0, '6 services: 6 unchanged\n']);
  });

  it('takes standard input beside files, and writes to every datacenter asked for', async () => {
    const file = world.file('wide-a.json', policyOf('wide-a'));
    const args = ['policy', 'apply', file, '-', '-m', 'x', '--dc', 'all'];
    const { code, json: results } = await world.runJson<readonly Result[]>(args, { input: json(policyOf('wide-b')) });
    expect([code, outcomes(results)]).toEqual([
      0,
      ['wide-a dc1 written', 'wide-a dc2 written', 'wide-b dc1 written', 'wide-b dc2 written'],
    ]);
    expect(await stored('wide-b', 'dc2')).toEqual(policyOf('wide-b'));
  });

  const good = policyOf('held-good');
  it.each<readonly [what: string, files: Readonly<Record<string, unknown>>, code: number, stderr: RegExp]>([
    ['a weight', { 'good.json': good, 'bad.json': policyOf('held-bad', -1) }, 1, /bad\.json:1:\d+ routes\[0\]\.split/],
    ['syntax', { 'good.json': good, 'z/bad.yaml': 'schema: [1' }, 1, /^error .*z\/bad\.yaml:1:\d+ policy: not YAML/m],
    [
      'a second document',
      { 'good.json': good, 'bad.yaml': `${json(policyOf('held-b'))}\n---\nschema: 1\nservice: held-c\ndefualt: x\n` },
      1,
      /^error .*bad\.yaml:5:1 defualt: .*did you mean default\?/m,
    ],
    [
      'one service twice',
      { 'a.json': good, 'b.yaml': `${json(policyOf('held-b'))}\n---\n${json(policyOf('held-good', 9))}\n` },
      1,
      /^error .*b\.yaml:3:\d+ service: "held-good" \(expected: in one document alone; .*a\.json:1:\d+ has it, too\)$/m,
    ],
    ['all of them', { 'a.json': '{}', 'b.json': '[]' }, 1, /^error .*a\.json(.|\n)*^error .*b\.json/m],
    ['nothing at all', { 'README.md': 'x' }, 2, /no policy file \(expected: \*\.yaml, \*\.yml or \*\.json below it\)/],
  ])('refuses all of them for what is wrong with one: %s', async (what, files, code, stderr) => {
    const root = world.folder(`held ${what}`, files);
    const ended = await world.run(['policy', 'apply', root, '-m', 'x']);
    expect(ended).toEqual({ code, stdout: '', stderr: expect.stringMatching(stderr) });
    expect(await stored('held-good')).toBeNull();
  });

  it('validates and compares as many', async () => {
    const root = world.folder('held validate', { 'a.json': policyOf('held-a'), 'b.json': policyOf('held-a') });
    const validated = await world.run(['policy', 'validate', root]);
    expect([validated.code, validated.stdout]).toEqual([
      1,
      expect.stringMatching(/^ok .*a\.json\nerror .*b\.json:1:\d+ service: "held-a" .*\n$/),
    ]);
    const candidates = await world.run(['policy', 'validate', root, '--service', 'held-a']);
    expect(candidates.code).toBe(0);
    const differs = await world.run(['policy', 'diff', root]);
    expect([differs.code, differs.stdout]).toEqual([1, '']);
  });

  it('says which are wrong as data', async () => {
    const root = world.folder('as-data', { 'a.json': policyOf('data-a'), 'b.json': policyOf('data-b', -1) });
    const { json: bad } = await world.runJson<readonly Record<string, unknown>[]>(['policy', 'apply', root, '-m', 'x']);
    expect(bad).toEqual([
      {
        file: join(root, 'b.json'),
        service: 'data-b',
        outcome: 'invalid',
        problems: [expect.objectContaining({ path: 'routes[0].split[1].weight', line: 1 })],
      },
    ]);
  });

  it('refuses all of them for what one would do to calls', async () => {
    const dc1 = world.consul.dc('dc1');
    await dc1.register({ name: 'effect-a', id: 'ea', port: 9001, tags: ['stable'] });
    const slip = policyOf('effect-a', 5, { subsets: { stable: { tags: ['stabel'] }, canary: { tags: ['canary'] } } });
    const root = world.folder('effect', { 'a.json': slip, 'b.json': policyOf('other-thing') });
    const refused = await world.run(['policy', 'apply', root, '-m', 'x']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /refused, nothing was written: effect-a in local: .*did you mean stable\?.*--force$/m,
    );
    const asData = await world.runJson<readonly Result[]>(['policy', 'apply', root, '--dry-run']);
    expect([asData.code, outcomes(asData.json)]).toEqual([1, ['effect-a local refused', 'other-thing local planned']]);
    expect(await stored('other-thing')).toBeNull();
    expect((await world.run(['policy', 'apply', root, '-m', 'x', '--force'])).code).toBe(0);
    expect(await stored('other-thing')).toEqual(policyOf('other-thing'));
  });

  it('takes no --if-revision for several', async () => {
    const root = world.folder('revision', { 'a.json': policyOf('rev-a'), 'b.json': policyOf('rev-b') });
    const { code, stderr } = await world.run(['policy', 'apply', root, '-m', 'x', '--if-revision', 'abcd']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--if-revision: with the policies of 2 services')]);
  });

  it('shows what each would change, in text and in Markdown', async () => {
    const root = world.folder('shown', { 'a.json': policyOf('shown-a'), 'b.json': policyOf('shown-b') });
    await world.run(['policy', 'apply', root, '-m', 'begin']);
    expect((await world.run(['policy', 'diff', root])).code).toBe(0);
    writeFileSync(join(root, 'b.json'), json(policyOf('shown-b', 25)));
    const { code, stdout } = await world.run(['policy', 'diff', root]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^shown-a in local: unchanged.*\nshown-b in local: \S+ -> \S+\n/m);
    const markdown = await world.run(['policy', 'diff', root, '--markdown']);
    expect(markdown.stdout).toMatch(/^### `shown-a` in local\n\nUnchanged(.|\n)*^### `shown-b` in local$/m);
  });
});

describe('when one loses its race', () => {
  let spy: WriteSpy | undefined;
  afterEach(() => spy?.stop());

  it('the others are written, and each is told', async () => {
    const dc1 = world.consul.dc('dc1');
    const names = ['race-a', 'race-b', 'race-c'];
    const root = world.folder('race', Object.fromEntries(names.map((name) => [`${name}.json`, policyOf(name)])));
    await world.run(['policy', 'apply', root, '-m', 'begin']);
    for (const name of names) writeFileSync(join(root, `${name}.json`), json(policyOf(name, 25)));
    spy = await startWriteSpy(dc1.address);
    let writes = 0;
    spy.onWrite = async () => {
      writes += 1;
      if (writes === 2) await dc1.putKv('graylane/policies/race-b', json(policyOf('race-b', 7)));
    };
    const env = { CONSUL_HTTP_ADDR: spy.address };
    const { code, stdout, stderr } = await world.run(['policy', 'apply', root, '-m', 'more'], { env });
    expect([code, writes]).toEqual([1, 3]);
    expect(stdout).toMatch(/^written race-a in local: number 2, .*\nwritten race-c in local: number 2, /m);
    expect(stdout).toMatch(/^3 services: 2 written, 1 lost$/m);
    expect(stderr).toMatch(
      /^graylane: race-b in local: lost the race: .*; run graylane policy diff .*race-b\.json, then/m,
    );
    expect(await stored('race-b')).toEqual(policyOf('race-b', 7));
  });
});
