import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pack, run } from './pack';
import { repository } from './repository';

interface SourceMap {
  readonly sources: readonly string[];
  readonly sourcesContent?: readonly (string | null)[];
}

describe('packed tarball', () => {
  let folder: string;
  let tarball: string;
  /** Paths inside the package. */
  let files: readonly string[];
  const read = (file: string): string => readFileSync(join(folder, 'package', file), 'utf8');

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'graylane-tarball-'));
    tarball = pack(folder);
    run('tar', ['-xzf', tarball], folder);
    files = readdirSync(join(folder, 'package'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, 'package').length + 1));
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('pleases publint', async () => {
    const packed = readFileSync(tarball);
    const bytes = packed.buffer.slice(packed.byteOffset, packed.byteOffset + packed.byteLength);
    const { messages } = await publint({ pack: { tarball: bytes }, strict: true });
    const manifest = JSON.parse(read('package.json')) as Record<string, unknown>;
    expect(messages.map((message) => formatMessage(message, manifest, { color: false }))).toEqual([]);
  });

  it('resolves to right types in every mode of TypeScript, the oldest too', () => {
    const attw = join(repository, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js');
    // JSON has no types, and the oldest mode knows no `exports` to find it by.
    const exceptions = ['--exclude-entrypoints', 'policy.schema.json', 'rollout.schema.json', 'controller.schema.json'];
    const report = run(process.execPath, [attw, tarball, '--no-color', '--format', 'ascii', ...exceptions], folder);
    expect(report).toContain('No problems found');
  });

  it('holds the build and its papers, nothing else', () => {
    const strangers = files.filter((file) => !/^(dist\/.+|LICENSE|README\.md|CHANGELOG\.md|package\.json)$/.test(file));
    expect(strangers).toEqual([]);
    expect(files).toEqual(expect.arrayContaining(['dist/index.js', 'dist/index.mjs', 'CHANGELOG.md', 'LICENSE']));
    expect(files.filter((file) => /\.(test|spec)\./.test(file))).toEqual([]);
  });

  it('has types beside every script', () => {
    const scripts = files.filter((file) => /\.m?js$/.test(file));
    const untyped = scripts.filter((file) => !files.includes(file.replace(/\.(m?)js$/, '.d.$1ts')));
    expect(untyped).toEqual([]);
  });

  it('carries the source inside its maps, under names that say nothing of the machine it was built on', () => {
    const maps = files.filter((file) => file.endsWith('.map')).map((file) => JSON.parse(read(file)) as SourceMap);
    expect(maps.length).toBeGreaterThan(0);
    for (const map of maps) {
      expect(map.sourcesContent?.filter((content) => typeof content === 'string')).toHaveLength(map.sources.length);
      for (const source of map.sources) expect(source).toMatch(/^(\.\.\/)+src\//);
    }
  });

  it('runs nothing when it is installed', () => {
    const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Record<string, string> };
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
    expect(hooks.filter((hook) => hook in scripts)).toEqual([]);
  });
});
