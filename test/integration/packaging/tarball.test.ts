import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { controllerSchema } from '../../../src/ops/rollout/config/parse-controller-config';
import { rolloutSchema } from '../../../src/ops/rollout/rollout-schema';
import { wavesSchema } from '../../../src/ops/rollout/waves/waves-schema';
import { policySchema } from '../../../src/policy/policy-schema';
import { printFact } from '../../support/figure';
import { pack, run } from './pack';
import { repository } from './repository';

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
    const schemas = ['policy', 'rollout', 'waves', 'controller'].map((name) => `${name}.schema.json`);
    const exceptions = ['--exclude-entrypoints', ...schemas];
    const report = run(process.execPath, [attw, tarball, '--no-color', '--format', 'ascii', ...exceptions], folder);
    expect(report).toContain('No problems found');
  });

  it('holds the build and its papers, nothing else', () => {
    const strangers = files.filter((file) => !/^(dist\/.+|LICENSE|README(\.zh-CN)?\.md|package\.json)$/.test(file));
    expect(strangers).toEqual([]);
    expect(files).toEqual(expect.arrayContaining(['dist/index.js', 'dist/index.mjs', 'LICENSE']));
    expect(files.filter((file) => /\.(test|spec)\./.test(file))).toEqual([]);
  });

  it.each([
    ['policy', policySchema],
    ['rollout', rolloutSchema],
    ['waves', wavesSchema],
    ['controller', controllerSchema],
  ])('holds the schema that a %s is checked against', (name, schema) => {
    expect(read(`dist/${name}.schema.json`)).toBe(`${JSON.stringify(schema)}\n`);
  });

  it('is small', () => {
    const bytes = files.reduce((sum, file) => sum + statSync(join(folder, 'package', file)).size, 0);
    printFact('tarball', `${files.length} files, ${(bytes / 1_000_000).toFixed(2)} MB unpacked`);
    expect(files.length).toBeLessThanOrEqual(60);
    expect(bytes).toBeLessThanOrEqual(2_500_000);
  });

  it('holds the pages in a few compressed files', () => {
    const held = files.filter((file) => file.startsWith('dist/console/'));
    const bytes = held.reduce((sum, file) => sum + statSync(join(folder, 'package', file)).size, 0);
    printFact('tarball', `pages: ${held.length} files, ${(bytes / 1_000).toFixed(0)} kB`);
    expect(held).toEqual(expect.arrayContaining(['dist/console/process.js.gz', 'dist/console/style.css.gz']));
    expect(held.length).toBeLessThanOrEqual(8);
    expect(held.filter((file) => !file.endsWith('.gz'))).toEqual([]);
  });

  it('names few things at its main entry, and each type once', () => {
    const named = read('dist/index.d.ts').matchAll(/export (?:type )?\{([^}]*)\}/g);
    const names = [...named].flatMap(([, list = '']) => list.split(',')).filter((name) => name.trim() !== '');
    printFact('tarball', `${names.length} names at the main entry`);
    expect(names.length).toBeGreaterThan(40);
    expect(names.length).toBeLessThanOrEqual(65);
    const declared = [...read('dist/types.d.ts').matchAll(/^(?:export )?declare (?:class|function) (\w+)/gm)];
    expect(declared.length).toBeGreaterThan(10);
    expect(new Set(declared.map(([, name]) => name)).size).toBe(declared.length);
  });

  it('has types beside every entry', () => {
    const entries = files.filter((file) => /^dist\/[^/]+\.m?js$/.test(file) && file !== 'dist/cli.js');
    const untyped = entries.filter((file) => !files.includes(file.replace(/\.(m?)js$/, '.d.$1ts')));
    expect(untyped).toEqual([]);
  });

  it('holds code that names its source, for who reads a trace, and no maps', () => {
    expect(files.filter((file) => file.endsWith('.map') || read(file).includes('sourceMappingURL='))).toEqual([]);
    const sources = new Set(read('dist/chunks/client.js').match(/^\/\/ src\/.+\.ts$/gm));
    expect(sources.size).toBeGreaterThan(100);
  });

  it('brings the licence of every package whose code is inside', () => {
    const licences = read('dist/THIRD-PARTY-LICENSES.txt');
    for (const name of ['cli-table3', 'commander', 'diff', 'picocolors', 'preact', 'string-width', 'uplot']) {
      expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
    }
  });

  it('runs nothing when it is installed', () => {
    const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Record<string, string> };
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
    expect(hooks.filter((hook) => hook in scripts)).toEqual([]);
  });
});
