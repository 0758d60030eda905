import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { rolldown } from 'rolldown';
import type { TestProject } from 'vitest/node';
import { SCRIPTS_FOLDER } from './script';

const root = join(__dirname, '..', '..');
/** What tests start in processes of their own. */
const SCRIPT = /(\/fixtures\/[^/]+|-fixture)\.ts$/;
/** Those of `packaging` belong to a package that is installed, and one of `telemetry` is about the order of `require`. */
const LEFT_OUT = /\/(unit|packaging|telemetry)\//;

/**
 * Before a run: bundles the scripts of the tests into plain JavaScript. A process that compiles its TypeScript itself
 * takes three times as much processor time to start, and a run starts hundreds.
 */
export async function setup(project: { readonly config: Pick<TestProject['config'], 'watch'> }): Promise<void> {
  // Whoever watches files wants to run what stands in them now.
  if (project.config.watch || process.env[SCRIPTS_FOLDER] !== undefined) return;
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'scripts-'));
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map((file) => join(root, 'test', file))
    .filter((file) => SCRIPT.test(file) && !LEFT_OUT.test(file));
  const build = await rolldown({
    cwd: root,
    input: Object.fromEntries(files.map((file) => [relative(root, file).replace(/\.ts$/, ''), file])),
    platform: 'node',
    // What registers itself when it is loaded is there for that.
    treeshake: false,
    tsconfig: join(root, 'tsconfig.base.json'),
    external: (id) => !/^[./]/.test(id),
    plugins: [
      {
        name: 'as if each file were where it is',
        transform: (code, id) =>
          code
            .replaceAll(/\b__dirname\b/g, JSON.stringify(dirname(id)))
            .replaceAll(/\b__filename\b/g, JSON.stringify(id)),
      },
    ],
  });
  await build.write({ dir: folder, format: 'cjs', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name].js' });
  await build.close();
  process.env[SCRIPTS_FOLDER] = folder;
}

export function teardown(): void {
  const folder = process.env[SCRIPTS_FOLDER];
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}
