import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from './pack';
import { repository } from './repository';

const read = (...path: readonly string[]): string => readFileSync(join(repository, ...path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly repository: { readonly url: string };
};

describe('a release', () => {
  it('has papers: where it comes from, how to report a weakness, what is supported', () => {
    expect(manifest.repository.url).toMatch(/^git\+https:/);
    expect(read('SECURITY.md')).toContain('Report a weakness');
    expect(read('docs', 'support.md')).toContain('20.19');
  });

  it.each(readdirSync(join(repository, '.github', 'workflows')))('runs in %s only actions of one commit', (file) => {
    const uses = [...read('.github', 'workflows', file).matchAll(/uses: (.*)/g)].map(([, action]) => action);
    expect(uses.length).toBeGreaterThan(0);
    for (const action of uses) expect(action).toMatch(/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  it('lists what is installed with it, and what is inside it', () => {
    const script = join(repository, 'scripts', 'sbom.mjs');
    const bill = JSON.parse(run(process.execPath, [script], repository)) as {
      readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
      readonly components: readonly { readonly name: string; readonly purl: string; readonly properties?: unknown[] }[];
    };
    expect(bill.metadata.component).toMatchObject({ name: 'graylane', version: manifest.version });
    const names = bill.components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies)));
    expect(names).toEqual(expect.arrayContaining(['commander', 'picocolors']));
    expect(new Set(bill.components.map(({ purl }) => purl)).size).toBe(bill.components.length);
    expect(names).not.toContain('vitest');
  });

  it.each([
    ['v9.9.9', `tag: v9.9.9 (expected: v${manifest.version}, the version of package.json)`],
    [undefined, `tag: absent (expected: v${manifest.version}, the version of package.json)`],
  ])('is refused under the tag %s', (tag, problem) => {
    const script = join(repository, 'scripts', 'release-notes.mjs');
    expect(() => run(process.execPath, [script, ...(tag === undefined ? [] : [tag])], repository)).toThrow(problem);
  });
});
