import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Names the folder of the bundled scripts of a run; see script-bundles.ts. */
export const SCRIPTS_FOLDER = 'TEST_SCRIPTS';

const root = join(__dirname, '..', '..');

/** What Node is given to run a TypeScript file of `fixtures/`: its bundle in a run of the tests, tsx and itself elsewhere. */
export function scriptArgs(file: string): readonly string[] {
  const folder = process.env[SCRIPTS_FOLDER];
  const bundle = folder === undefined ? undefined : join(folder, relative(root, file).replace(/\.ts$/, '.js'));
  return bundle !== undefined && existsSync(bundle) ? [bundle] : ['--import', 'tsx', file];
}
