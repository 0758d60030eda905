import { expect, it } from 'vitest';
import { printFact } from '../support/figure';
import { runSoak } from './soak';

/** The long form is `npm run soak`. */
it('12 s of random faults of Consul: no call is lost and every watch lives', { timeout: 120_000 }, async () => {
  const report = await runSoak({ seconds: 12, seed: 4, callsPerSecond: 100 });
  const applied = report.faults.reduce((sum, { times }) => sum + times, 0);
  printFact(
    `${applied} faults of ${report.faults.length} kinds in 12 s`,
    `lost ${report.losses.length} of ${report.calls}; at most ${report.mostSockets} sockets to Consul, ` +
      `${report.requestsPerSecond.toFixed(1)} requests a second; all fresh ${(report.freshAfterMs / 1_000).toFixed(1)} s after the last`,
  );
  expect(report.losses).toEqual([]);
  expect(report.areWatchesAlive).toBe(true);
  expect(report.mostSockets).toBeLessThanOrEqual(20);
  expect(report.calls).toBeGreaterThan(600);
});
