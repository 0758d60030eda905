// Runs every folder of examples/ as its reader would. A folder with a package.json is a project of its own: it is copied
// away, gets the packed tarball installed, and `npm start`. The others run in place: main.ts, main.mjs or main.cjs.
// `node scripts/examples.mjs quickstart nestjs` runs only those. `--again` runs those that failed once more at the end:
// processes on a shared machine have bad moments, and what fails twice has failed.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const examples = join(root, 'examples');
const timeoutMs = 180_000;
/** Not run here: one has a command of its own (npm run demo), one is what several share, one runs in containers. */
const elsewhere = ['demo', 'shared', 'compose'];

const isAgain = process.argv.includes('--again');
const wanted = process.argv.slice(2).filter((argument) => argument !== '--again');
const present = existsSync(examples)
  ? readdirSync(examples, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !elsewhere.includes(entry.name) && entry.name !== 'node_modules')
      .map((entry) => entry.name)
  : [];
const unknown = wanted.filter((name) => !present.includes(name));
if (unknown.length > 0) {
  console.error(`${unknown.join(', ')}: no such example (expected: ${present.join(', ')})`);
  process.exit(1);
}

const scratch = mkdtempSync(join(tmpdir(), 'graylane-examples-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

let tarball;
const failedOnce = present.filter((name) => wanted.length === 0 || wanted.includes(name)).filter((name) => !runs(name));
const failed = isAgain ? failedOnce.filter((name) => !runs(name)) : failedOnce;
for (const name of failedOnce.filter((each) => !failed.includes(each))) console.log(`wavers: examples/${name}`);
const count = wanted.length === 0 ? present.length : wanted.length;
console.log(
  `examples: ${count - failed.length} ran, ${failed.length} failed${failed.map((name) => ` ${name}`).join('')}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

function runs(name) {
  console.log(`\n--- examples/${name}`);
  const startedAt = performance.now();
  const problem = attempt(name);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`--- examples/${name}: ${problem ?? 'ok'} (${seconds} s)`);
  return problem === undefined;
}

/** Undefined when it ran and ended by itself with 0. */
function attempt(name) {
  const folder = join(examples, name);
  if (!existsSync(join(folder, 'README.md'))) return 'no README.md (expected: one that says what it shows)';
  if (existsSync(join(folder, 'package.json'))) return runProject(name);
  const main = ['main.ts', 'main.mjs', 'main.cjs'].find((file) => existsSync(join(folder, file)));
  if (main === undefined)
    return 'cannot be run (expected: a package.json with a start script, or main.ts, main.mjs, main.cjs)';
  const tsx = join(root, 'node_modules', 'tsx', 'dist', 'cli.mjs');
  return execute(process.execPath, [...(main.endsWith('.ts') ? [tsx] : []), join(folder, main)], root);
}

function runProject(name) {
  const { scripts } = JSON.parse(readFileSync(join(examples, name, 'package.json'), 'utf8'));
  if (scripts?.start === undefined) return 'package.json scripts.start: absent (expected: what runs the example)';
  const copy = join(scratch, 'examples', name);
  const skipped = (path) => !/[\\/](node_modules|dist)$/.test(path);
  mkdirSync(dirname(copy), { recursive: true });
  cpSync(join(examples, name), copy, { recursive: true, filter: skipped });
  // Examples read the sample service as ../../proto.
  if (existsSync(join(root, 'proto'))) cpSync(join(root, 'proto'), join(scratch, 'proto'), { recursive: true });
  tarball ??= pack();
  if (tarball === undefined) return 'npm pack failed';
  const install = ['install', '--no-package-lock', '--no-audit', '--no-fund', '--prefer-offline', tarball];
  return execute('npm', install, copy) ?? execute('npm', ['start', '--silent'], copy);
}

function pack() {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', scratch];
  const { status, stdout } = spawnSync('npm', args, { cwd: root, encoding: 'utf8', env: environment() });
  return status === 0 ? join(scratch, JSON.parse(stdout)[0].filename) : undefined;
}

function execute(program, args, cwd) {
  const options = { cwd, env: environment(), stdio: ['ignore', 'inherit', 'inherit'], timeout: timeoutMs };
  const { status, signal, error } = spawnSync(program, args, options);
  if (status === 0) return undefined;
  if (error?.code === 'ETIMEDOUT') return `still running after ${timeoutMs / 1000} s (expected: ends by itself)`;
  return `ended with ${status ?? signal ?? error?.message} (expected: 0)`;
}

/** Ours without what the npm run around this script put there for this package. */
function environment() {
  const ours = /^npm_(lifecycle|package|command|config_(local_)?prefix)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}
