/**
 * Runs benchmarks one after another, each in a process of its own.
 *
 *     npm run bench                      # pick: about a minute
 *     npm run bench -- call --short      # one by name; what follows the names goes to it
 *     npm run bench -- all               # everything: about half an hour
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** In the order of "all". What each measures stands at its top, and in README.md. */
const BENCHMARKS: readonly string[] = [
  'pick',
  'call',
  'update',
  'idle',
  'channels',
  'fleet',
  'react',
  'proxy',
  'mirror',
  'start',
  'lanes',
];

function main(): void {
  const given = process.argv.slice(2);
  const flagsAt = given.findIndex((word) => word.startsWith('-'));
  const names = flagsAt === -1 ? given : given.slice(0, flagsAt);
  const flags = flagsAt === -1 ? [] : given.slice(flagsAt);
  const unknown = names.filter((name) => name !== 'all' && !BENCHMARKS.includes(name));
  if (unknown.length > 0) {
    console.error(`${unknown.join(', ')}: no such benchmark (expected: ${BENCHMARKS.join(', ')}, or all)`);
    process.exit(2);
  }
  const wanted = names.includes('all') ? BENCHMARKS : names.length === 0 ? ['pick'] : names;
  for (const name of wanted) {
    const script = join(__dirname, `${name}.ts`);
    const node = ['--expose-gc', '--max-old-space-size=8192', '--import', 'tsx'];
    const { status } = spawnSync(process.execPath, [...node, script, ...flags], { stdio: 'inherit' });
    if (status !== 0) process.exitCode = 1;
  }
}

main();
