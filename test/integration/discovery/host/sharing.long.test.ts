import { expect, it } from 'vitest';
import { printFact, printFigure } from '../../../support/figure';
import { shareOnOneHost } from './sharing';

it('16 workers, 10 services, 2 datacenters', async () => {
  const figures = await shareOnOneHost({ workers: 16, services: 10, changes: 40, callsPerSecond: 5 });
  const name = '16 workers x 10 services x 2 datacenters';
  const seen = printFigure(`${name}: change until a worker knows`, figures.seenMs);
  printFact(
    name,
    `${figures.connections} connections (most ${figures.mostConnections}, after the takeover ${figures.connectionsAfter}), ` +
      `taken over in ${figures.takenOverMs.toFixed(0)} ms, a change then seen by all in ${figures.seenAfterMs.toFixed(0)} ms, ` +
      `lost ${figures.lost.length} of ${figures.calls} calls`,
  );
  expect(figures.lost).toEqual([]);
  expect(figures.connections).toBeLessThanOrEqual(40);
  expect(figures.connectionsAfter).toBeLessThanOrEqual(40);
  expect(figures.takenOverMs).toBeLessThanOrEqual(1_000);
  expect(seen.p99).toBeLessThanOrEqual(150);
}, 300_000);
