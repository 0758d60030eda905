import { describe, expect, it } from 'vitest';
import { printFigure } from '../support/figure';
import { graylane } from './built-command';

describe('the start of the command', () => {
  it('shows its help within 200 ms', async () => {
    const took: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const start = performance.now();
      const { code } = await graylane(['policy', '--help']);
      took.push(performance.now() - start);
      expect(code).toBe(0);
    }
    expect(printFigure('graylane policy --help, process start to end', took).p50).toBeLessThan(200);
  });
});
