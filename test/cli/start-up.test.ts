import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { printFigure } from '../support/figure';
import { graylane } from './built-command';

const run = promisify(execFile);

async function timed(start: () => Promise<unknown>): Promise<number> {
  const atMs = performance.now();
  await start();
  return performance.now() - atMs;
}

describe('the start of the command', () => {
  it('shows its help in hardly more time than Node itself takes', async () => {
    const took: number[] = [];
    const bare: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      took.push(await timed(async () => expect((await graylane(['policy', '--help'])).code).toBe(0)));
      bare.push(await timed(() => run(process.execPath, ['-e', '0'])));
    }
    const ours = printFigure('graylane policy --help, process start to end', took).p50;
    expect(ours / printFigure('node -e 0, process start to end', bare).p50).toBeLessThan(3);
  });
});
