import { readdir, readFile, realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Finding } from './finding';

interface Copy {
  readonly folder: string;
  readonly version: string;
}

/** Packages looked into; a tree beyond it is no application. */
const MOST_PACKAGES = 50_000;
const SUPPORTED = /^1\.14\./;

/** Looks for copies of grpc-js in the node_modules that a program in `folder` sees. */
export async function checkGrpcCopies(folder: string): Promise<Finding> {
  const check = 'grpc-js';
  const copies = await findCopies(resolve(folder));
  const shown = copies.map((copy) => `${copy.version} in ${copy.folder}`).join('; ');
  if (copies.length === 0) {
    const next = 'run it in the folder of the application, or give --tree';
    return { check, state: 'info', finding: `no copy below ${resolve(folder)}`, next };
  }
  if (copies.length > 1) {
    const next = 'run npm dedupe, or hand your copy in: createGraylane({ grpc }); see docs/troubleshooting.md';
    return { check, state: 'problem', finding: `${copies.length} copies, which cannot be mixed: ${shown}`, next };
  }
  if (copies.some(({ version }) => !SUPPORTED.test(version))) {
    return {
      check,
      state: 'problem',
      finding: `${shown} (expected: ~1.14.0)`,
      next: 'npm install @grpc/grpc-js@~1.14.0',
    };
  }
  return { check, state: 'ok', finding: `one copy, ${shown}` };
}

async function findCopies(from: string): Promise<readonly Copy[]> {
  const seen = new Set<string>();
  const copies: Copy[] = [];
  const open: string[] = [];
  for (let folder = from; ; folder = dirname(folder)) {
    open.push(join(folder, 'node_modules'));
    if (dirname(folder) === folder) break;
  }
  for (let modules = open.pop(); modules !== undefined; modules = open.pop()) {
    for (const name of await packagesIn(modules)) {
      const found = await realpath(join(modules, name)).catch(() => undefined);
      if (found === undefined || seen.has(found) || seen.size > MOST_PACKAGES) continue;
      seen.add(found);
      open.push(join(found, 'node_modules'));
      if (name === '@grpc/grpc-js') copies.push({ folder: found, version: await versionIn(found) });
    }
  }
  return copies.sort((a, b) => (a.folder < b.folder ? -1 : 1));
}

/** With scopes, and with the folders in which pnpm keeps packages. */
async function packagesIn(modules: string): Promise<readonly string[]> {
  const names = await list(modules);
  const nested = await Promise.all(
    names.map(async (name) => {
      if (name === '.pnpm') return (await list(join(modules, name))).map((inner) => join(name, inner));
      if (name.startsWith('@')) return (await list(join(modules, name))).map((inner) => `${name}/${inner}`);
      return name.startsWith('.') ? [] : [name];
    }),
  );
  return nested.flat();
}

async function list(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

async function versionIn(folder: string): Promise<string> {
  try {
    const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version?: string };
    return version ?? 'unknown';
  } catch {
    return 'unknown';
  }
}
