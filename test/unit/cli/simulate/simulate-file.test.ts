import { describe, expect, it } from 'vitest';
import type { CommandIo } from '../../../../src/cli/io';
import { createProgress } from '../../../../src/cli/simulate/simulate-file';

function shown(canRedraw: boolean, steps: (progress: ReturnType<typeof createProgress>) => void): string {
  const pieces: string[] = [];
  const io: Pick<CommandIo, 'canRedraw' | 'write'> = { canRedraw, write: (piece) => void pieces.push(piece) };
  steps(createProgress(100, io));
  return pieces.join('');
}

describe('the progress bar', () => {
  const slowly = (progress: ReturnType<typeof createProgress>): void => {
    const until = performance.now() + 320;
    while (performance.now() < until);
    for (const done of [50, 50, 100]) progress.reached(done);
    progress.end();
  };

  it('grows on a terminal, once a step, and is gone in the end', () => {
    const drawn = shown(true, slowly).split('\r');
    expect(drawn.slice(1, 3)).toEqual([`${'█'.repeat(20)}${'░'.repeat(20)} 50 %`, `${'█'.repeat(40)} 100 %`]);
    expect(drawn.slice(3).join('').trim()).toBe('');
  });

  it('shows nothing in a pipe, nor for what is quickly done', () => {
    expect(shown(false, slowly)).toBe('');
    expect(
      shown(true, (progress) => {
        progress.reached(100);
        progress.end();
      }),
    ).toBe('');
  });
});
