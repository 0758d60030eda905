import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import type { StaticInstance } from '../../client/discovery/static-instance';
import { CommandError } from '../command-error';

/** Lists of instances by service name; the Graylane client checks each. Throws a CommandError. */
export async function readInstancesFile(file: string): Promise<Readonly<Record<string, readonly StaticInstance[]>>> {
  try {
    // YAML, which JSON is, too.
    return parse(await readFile(file, 'utf8')) as Readonly<Record<string, readonly StaticInstance[]>>;
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new CommandError(2, `${file}: ${why} (expected: lists of instances by service name)`, 'see docs/simulate.md');
  }
}
