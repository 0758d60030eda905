import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProcessIo } from '../../../src/cli/io';
import { createProgram } from '../../../src/cli/program';
import { printFact } from '../../support/figure';
import { builtCommand, cleanEnv } from './built-command';
import { policyOf } from './two-datacenters';

const run = promisify(execFile);
/** Tries of what was above its bar once: somebody else's work on the machine costs it some. */
const TRIES = 5;

/**
 * Processor time, as a multiple of what Node itself takes to start. On a machine where that is 45 ms, 400 ms are 9 times as much.
 */
const HELP = 3;
const WORK = 9;

let folder: string;
let hook: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'graylane-start-'));
  hook = join(folder, 'hook.cjs');
  // What the process has used when it ends, with the threads of its own.
  writeFileSync(
    hook,
    "process.on('exit', () => require('fs').writeFileSync(process.env.CPU_FILE, JSON.stringify(process.cpuUsage())));",
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Milliseconds of processor time, user and system, from the start of the process to its end. */
async function cpuOf(args: readonly string[]): Promise<number> {
  const file = join(folder, 'cpu.json');
  const env = { ...cleanEnv(), CPU_FILE: file };
  await run(process.execPath, ['-r', hook, ...args], { env });
  const { user, system } = JSON.parse(readFileSync(file, 'utf8')) as NodeJS.CpuUsage;
  return (user + system) / 1000;
}

/** The least of some tries, as a multiple of Node alone; `bare`: what that took a moment ago. */
async function ratioOf(args: readonly string[], bar: number, bare?: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < TRIES && least > bar; tries += 1) {
    const beside = tries === 0 && bare !== undefined ? bare : await cpuOf(['-e', '0']);
    least = Math.min(least, (await cpuOf([builtCommand, ...args])) / beside);
  }
  return least;
}

/** Every command, by its words. */
function pathsOf(command: Command, path: readonly string[] = []): readonly (readonly string[])[] {
  return [path, ...command.commands.flatMap((nested) => pathsOf(nested, [...path, nested.name()]))];
}

describe('the start of the command', () => {
  it('shows the help of each command in hardly more time than Node itself takes', async () => {
    const ratios: number[] = [];
    const slow: string[] = [];
    let bare = 0;
    for (const [at, path] of pathsOf(createProgram(createProcessIo(process))).entries()) {
      if (at % 5 === 0) bare = await cpuOf(['-e', '0']);
      const ratio = await ratioOf([...path, '--help'], HELP, bare);
      ratios.push(ratio);
      if (ratio > HELP) slow.push(`${path.join(' ')}: ${ratio.toFixed(1)}`);
    }
    const most = Math.max(...ratios).toFixed(2);
    printFact('graylane ... --help, processor time over that of node -e 0', `at most ${most} (n=${ratios.length})`);
    expect(slow).toEqual([]);
  });

  it.each(['validate', 'explain'])('%s takes no more than a few times as much', async (what) => {
    const policy = join(folder, 'payments.json');
    writeFileSync(policy, JSON.stringify(policyOf('payments')));
    const instances = join(folder, 'instances.json');
    const instance = { id: 'p1', address: '127.0.0.1', port: 9001, tags: ['stable'] };
    writeFileSync(instances, JSON.stringify({ payments: [instance] }));
    const explain = ['explain', 'payments', '--policy', policy, '--instances', instances];
    const args = what === 'validate' ? ['policy', 'validate', policy] : explain;
    const ratio = await ratioOf(args, WORK);
    printFact(`graylane ${what}, processor time over that of node -e 0`, ratio.toFixed(2));
    expect(ratio).toBeLessThan(WORK);
  });
});
