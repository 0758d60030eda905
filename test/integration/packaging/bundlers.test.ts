import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sliceOf } from '../../support/slice';
import { npm, pack, run } from './pack';

const fixtures = join(__dirname, 'fixtures');
const installQuietly = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--prefer-offline'];

describe('a service that ships as one file', () => {
  let project: string;
  const tool = (name: string, ...args: readonly string[]): string =>
    run(process.execPath, [join(project, 'node_modules', ...name.split('/')), ...args], project);

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'graylane-bundlers-'));
    cpSync(join(fixtures, 'bundlers'), project, { recursive: true });
    for (const file of ['exercise.cjs', 'payments.cjs']) cpSync(join(fixtures, 'consumer', file), join(project, file));
    npm(['install', ...installQuietly, '--ignore-scripts', pack(project)], project);
  }, 300_000);

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  const bundlers: readonly (readonly [name: string, bundle: (out: string) => string])[] = [
    [
      'esbuild to CommonJS',
      (out) => {
        const file = join(out, 'service.cjs');
        tool('esbuild/bin/esbuild', 'service.mjs', '--bundle', '--platform=node', '--format=cjs', `--outfile=${file}`);
        return file;
      },
    ],
    [
      'esbuild to an ES module',
      (out) => {
        const file = join(out, 'service.mjs');
        const banner = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
        const format = ['--platform=node', '--format=esm', `--banner:js=${banner}`];
        tool('esbuild/bin/esbuild', 'service.mjs', '--bundle', ...format, `--outfile=${file}`);
        return file;
      },
    ],
    [
      'webpack to CommonJS',
      (out) => {
        run(process.execPath, ['webpack.cjs', out, 'service.cjs'], project);
        return join(out, 'service.cjs');
      },
    ],
    [
      'webpack to an ES module',
      (out) => {
        run(process.execPath, ['webpack.cjs', out, 'service.mjs'], project);
        return join(out, 'service.mjs');
      },
    ],
    [
      'ncc',
      (out) => {
        tool('@vercel/ncc/dist/ncc/cli.js', 'build', 'service.mjs', '-o', out);
        return join(out, readdirSync(out).find((file) => /^index\.m?js$/.test(file)) ?? '');
      },
    ],
  ];

  it.each(sliceOf(bundlers, 2))('by %s', { timeout: 120_000 }, (name, bundle) => {
    // Away from node_modules: what was not bundled is not found.
    const out = mkdtempSync(join(tmpdir(), 'graylane-bundle-'));
    try {
      mkdirSync(out, { recursive: true });
      const file = bundle(out);
      expect(JSON.parse(run(process.execPath, [file], out)), name).toEqual({
        done: ['stable', 'canary', 'canary'],
        subset: 'canary',
        refused: expect.stringMatching(/ECONNREFUSED/),
        kinds: ['function', 'function'],
      });
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });
});
