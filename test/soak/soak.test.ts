import { expect, it } from 'vitest';
import { printFact } from '../support/figure';
import { runSoak } from './soak';

/** The long form is `npm run soak`. */
it('12 s of random faults: no call is lost or runs twice, every watch lives, and nothing is left behind', {
  timeout: 120_000,
}, async () => {
  const report = await runSoak({ seconds: 12, seed: 4, callsPerSecond: 100 });
  const applied = report.faults.reduce((sum, { times }) => sum + times, 0);
  printFact(
    `${applied} faults of ${report.faults.length} kinds in 12 s`,
    `lost ${report.losses.count} of ${report.calls}; at most ${report.mostSockets} sockets to Consul, ` +
      `${report.requestsPerSecond.toFixed(1)} requests a second; all fresh ${(report.freshAfterMs / 1_000).toFixed(1)} s after the last; ` +
      `of ${report.ledger.calls} of all kinds ${report.ledger.lostOfIll} that may not run again, at ill instances` +
      report.notes.map((note) => `; ${note}`).join(''),
  );
  expect(report.losses.texts).toEqual([]);
  expect(report.ledger.twice).toEqual([]);
  expect(report.ledger.calls).toBeGreaterThan(200);
  expect(Number.parseInt(report.ledger.mostOfOneSpell, 10)).toBeLessThanOrEqual(5);
  expect(report.clients).toBeGreaterThan(0);
  expect(report.leftBehind).toEqual([]);
  expect(report.areWatchesAlive).toBe(true);
  expect(report.mostSockets).toBeLessThanOrEqual(20);
  expect(report.calls).toBeGreaterThan(600);
});
