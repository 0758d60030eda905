/*
 * Builds the site into site/dist: `npm run site`. Needs dist/ (npm run build). What builds it has a lock file of its own, and is
 * installed from it when it is missing; nothing else is fetched. Ends with 1 where a link leads nowhere.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const site = __dirname;
const root = join(site, '..');

if (!existsSync(join(root, 'dist', 'types.d.ts'))) {
  console.error('dist/types.d.ts: missing (expected: npm run build before)');
  process.exit(1);
}
if (!existsSync(join(site, 'node_modules', 'vitepress')))
  run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], site);
run(process.execPath, ['--import', 'tsx', join(site, 'generate', 'main.ts')], root);
run(process.execPath, [join(site, 'node_modules', 'vitepress', 'bin', 'vitepress.js'), 'build', site], site);

function run(program: string, args: readonly string[], cwd: string): void {
  const { status } = spawnSync(program, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
}
