import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printFact } from '../../support/figure';
import { npm, pack, run } from './pack';

const QUIETLY = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
const MEGABYTE = 1_000_000;

/** What the command is built with: inside its bundle, not beside it. */
const INSIDE = ['ajv', 'cli-table3', 'commander', 'diff', 'picocolors'];

/** Prints the files of ours and the packages that are in memory after `modules` were required, and `use` was run. */
const LOADED = (modules: readonly string[], use: string): string => `
  const before = new Set(Object.keys(require.cache));
  const [first] = ${JSON.stringify(modules)}.map((name) => require(name));
  ${use}
  const files = Object.keys(require.cache).map((file) => file.replaceAll('\\\\', '/'));
  const ours = files.flatMap((file) => /\\/node_modules\\/graylane\\/dist\\/(.+)$/.exec(file)?.[1] ?? []);
  const packages = files.flatMap((file) => /.*\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)\\//.exec(file)?.[1] ?? []);
  console.log(JSON.stringify({ ours: ours.sort(), packages: [...new Set(packages)].sort() }));
  process.exit(0);`;

/** What a service does at its start, and what it may do later. */
const START = `
  const graylane = first.createGraylane({ consul: { address: 'http://127.0.0.1:1' } });
  graylane.setPolicy('payments', {
    schema: 1, service: 'payments', subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
    default: 'stable', routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
  });
  graylane.channel('payments', require('@grpc/grpc-js').credentials.createInsecure());`;

describe('a service that installs the package', () => {
  let project: string;
  let before: Installed;
  let after: Installed;

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'graylane-light-'));
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'service', private: true }));
    npm(['install', ...QUIETLY, '@grpc/grpc-js@~1.14.0', '@opentelemetry/api@~1.9.0'], project);
    before = installedIn(project);
    npm(['install', ...QUIETLY, pack(project)], project);
    after = installedIn(project);
  }, 240_000);

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it('gets few packages and few bytes with it', () => {
    const added = after.packages.filter((name) => !before.packages.includes(name));
    const bytes = after.bytes - before.bytes;
    printFact('light', `${added.length} packages, ${(bytes / MEGABYTE).toFixed(1)} MB: ${added.join(', ')}`);
    expect(added).toContain('graylane');
    expect(added.length).toBeLessThanOrEqual(8);
    expect(bytes).toBeLessThanOrEqual(6 * MEGABYTE);
    expect(after.packages.filter((name) => INSIDE.includes(name))).toEqual([]);
  });

  const loadedAfter = (use: string, ...modules: readonly string[]): Loaded =>
    JSON.parse(run(process.execPath, ['-e', LOADED(modules, use)], project)) as Loaded;
  const loadedBy = (...modules: readonly string[]): Loaded => loadedAfter('', ...modules);

  it('loads the client alone, without what it may never need', () => {
    const { ours, packages } = loadedBy('graylane');
    const chunks = ['base', 'client', 'client-parts', 'consul', 'policy', 'rolldown-runtime'];
    expect(ours.filter((file) => !chunks.includes(file.replace(/^chunks\/(.+)\.js$/, '$1')))).toEqual(['index.js']);
    expect(packages.filter((name) => ['yaml', 're2js', 'consul', 'papi', 'opossum'].includes(name))).toEqual([]);
  });

  it('loads what few need when it is first used', () => {
    const late = (use: string): readonly string[] =>
      loadedAfter(START + use, 'graylane').ours.flatMap((file) => /^chunks\/late-(\w+)\.js$/.exec(file)?.[1] ?? []);
    expect(late('')).toEqual([]);
    expect(late('graylane.inspect();')).toEqual(['observation']);
    // What serves the pages; their own files are read when a browser asks for one.
    expect(late('graylane.adminHandler();')).toEqual(['observation', 'pages']);
    expect(late('first.createGraylane({ instances: { orders: [] } });')).toEqual(['local']);
    const inside = "{ 'x-ip': { cidr: '10.0.0.0/8' } }";
    const route = `{ name: 'inside', match: { labels: ${inside} }, to: 'all' }`;
    const policy = `{ schema: 1, service: 'orders', subsets: { all: { tags: [] } }, default: 'all', routes: [${route}] }`;
    expect(late(`graylane.setPolicy('orders', ${policy});`)).toEqual(['rules']);
  });

  it('loads a server’s part without the client', () => {
    const { ours, packages } = loadedBy('graylane/server');
    expect(ours.filter((file) => /client|command|simulation/.test(file))).toEqual([]);
    expect(packages).toEqual(['graylane']);
  });

  it('loads the same files whichever entry comes first: there is one copy of each', () => {
    const entries = ['graylane', 'graylane/server', 'graylane/simulate', 'graylane/testing'];
    expect(loadedBy(...entries).ours).toEqual(loadedBy(...entries.toReversed()).ours);
  });

  it('can run the command', () => {
    const command = join(project, 'node_modules', '.bin', 'graylane');
    const { version } = JSON.parse(readFileSync(join(project, 'node_modules', 'graylane', 'package.json'), 'utf8')) as {
      readonly version: string;
    };
    expect(run(command, ['--version'], project).trim()).toBe(version);
    expect(run(command, ['policy', '--help'], project)).toContain('validate');
    const policy = { schema: 1, service: 'payments', subsets: { stable: { tags: ['stable'] } }, default: 'stable' };
    writeFileSync(join(project, 'policy.yaml'), JSON.stringify(policy));
    expect(run(command, ['policy', 'validate', 'policy.yaml'], project)).toBe('ok policy.yaml\n');
    // With a table in it.
    expect(run(command, ['simulate', 'policy.yaml', '--calls', '100'], project)).toContain('stable');
  });
});

interface Loaded {
  readonly ours: readonly string[];
  readonly packages: readonly string[];
}

interface Installed {
  readonly packages: readonly string[];
  readonly bytes: number;
}

function installedIn(project: string): Installed {
  const lock = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, object>>;
  };
  const packages = Object.keys(lock.packages).flatMap((path) => /.*node_modules\/(.+)$/.exec(path)?.[1] ?? []);
  const files = readdirSync(join(project, 'node_modules'), { recursive: true, encoding: 'utf8' });
  const bytes = files
    .map((file) => statSync(join(project, 'node_modules', file)))
    .reduce((sum, found) => sum + (found.isFile() ? found.size : 0), 0);
  return { packages, bytes };
}
