import { readdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CommandError } from '../command-error';
import { type PolicyFile, readDocuments } from './policy-file';

const POLICY_FILE = /\.(?:ya?ml|json)$/i;

/**
 * Reads and judges every policy of these files and folders, in this order; `-` is standard input. Of a folder: every `*.yaml`,
 * `*.yml` and `*.json` below it, by name, except where a name begins with a dot. A service that is named twice is a problem of
 * the second document, unless all must be for `expectedService`. Throws a CommandError when something cannot be read.
 */
export async function readPolicyFiles(
  paths: readonly string[],
  expectedService?: string,
): Promise<readonly PolicyFile[]> {
  const read: PolicyFile[] = [];
  for (const file of await findFiles(paths)) read.push(...(await readDocuments(file, expectedService)));
  return expectedService === undefined ? withoutDoubles(read) : read;
}

/** Each file once, however often it is named. */
async function findFiles(paths: readonly string[]): Promise<readonly string[]> {
  const files = new Map<string, string>();
  const add = (file: string): void => {
    const key = file === '-' ? file : resolve(file);
    if (!files.has(key)) files.set(key, file);
  };
  for (const path of paths) {
    if (path === '-' || !(await isFolder(path))) {
      add(path);
      continue;
    }
    const found = await filesBelow(path, new Set());
    // An empty folder is most likely another one than was meant.
    if (found.length === 0) {
      throw new CommandError(
        2,
        `${path}: no policy file (expected: *.yaml, *.yml or *.json below it)`,
        'check its name',
      );
    }
    for (const file of found) add(file);
  }
  return [...files.values()];
}

/** What does not exist is told when it is read. */
export async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

/** `above`: the folders that lead here, since a link may lead back. */
async function filesBelow(folder: string, above: ReadonlySet<string>): Promise<readonly string[]> {
  try {
    const here = await realpath(folder);
    if (above.has(here)) return [];
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.map(({ name }) => name).filter((name) => !name.startsWith('.'));
    const files: string[] = [];
    for (const name of names.sort()) {
      const path = join(folder, name);
      // By what a link leads to: Kubernetes mounts files as links.
      if (await isFolder(path)) files.push(...(await filesBelow(path, new Set([...above, here]))));
      else if (POLICY_FILE.test(name)) files.push(path);
    }
    return files;
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new CommandError(2, `${folder}: ${code} (expected: a folder that can be read)`, 'check what you may read');
  }
}

function withoutDoubles(read: readonly PolicyFile[]): readonly PolicyFile[] {
  const first = new Map<string, string>();
  return read.map((each) => {
    const { service, positions, file } = each;
    if (service === undefined) return each;
    const position = positions?.locate(['service']);
    const other = first.get(service);
    if (other === undefined) {
      first.set(service, position === undefined ? file : `${file}:${position.line}:${position.column}`);
      return each;
    }
    const message = `service: ${JSON.stringify(service)} (expected: in one document alone; ${other} has it, too)`;
    return { ...each, document: undefined, problems: [...each.problems, { path: 'service', message, ...position }] };
  });
}
