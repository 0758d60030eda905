import { expect, it } from 'vitest';
import { printFact, printFigure } from '../../../support/figure';
import { shareOnOneHost } from './sharing';

it('workers of one host hold the connections of one, and lose nothing when the one that asks is killed', async () => {
  const figures = await shareOnOneHost({ workers: 4, services: 3, changes: 6, callsPerSecond: 20 });
  const seen = printFigure('4 workers x 3 services x 2 datacenters: change until a worker knows', figures.seenMs);
  printFact(
    '4 workers x 3 services x 2 datacenters',
    `${figures.connections} connections (most ${figures.mostConnections}, after the takeover ${figures.connectionsAfter}), ` +
      `taken over in ${figures.takenOverMs.toFixed(0)} ms, a change then seen by all in ${figures.seenAfterMs.toFixed(0)} ms, ` +
      `lost ${figures.lost.length} of ${figures.calls} calls`,
  );
  expect(figures.lost).toEqual([]);
  expect(figures.warnings.filter((text) => text.includes('not shared'))).toEqual([]);
  // 9 questions, and room for reads that end at once; each worker for itself would hold 36.
  expect(figures.connections).toBeLessThanOrEqual(9 + 8);
  expect(figures.connectionsAfter).toBeLessThanOrEqual(9 + 8);
  expect(figures.takenOverMs).toBeLessThanOrEqual(3_000);
  expect(seen.p99).toBeLessThanOrEqual(3_000);
});
