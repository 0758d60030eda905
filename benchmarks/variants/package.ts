import { existsSync } from 'node:fs';
import { join } from 'node:path';

type Package = typeof import('../../src/index');

/**
 * The library as it is shipped. Not its source: what a TypeScript loader makes of that pays for each access to an import, which
 * users do not.
 */
export function loadPackage(): Package {
  const built = join(__dirname, '..', '..', 'dist', 'index.js');
  if (!existsSync(built)) throw new Error('dist/index.js: not there (expected: npm run build before this benchmark)');
  return require(built) as Package;
}
