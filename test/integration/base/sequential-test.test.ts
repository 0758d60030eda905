import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random';
import {
  aboveShare,
  type Counts,
  evidenceAbove,
  evidenceBelow,
  evidenceNeeded,
  evidenceOfExcess,
  evidenceOfNoExcess,
} from '../../../src/base/sequential-test';
import { printFact } from '../../support/figure';

const RATE = 0.05;
const RUNS = 600;

/** How many of the runs ever reach the evidence, looked at after every step of a stream of calls. */
function alarms(evidence: (canary: Counts, stable: Counts) => number, pCanary: number, pStable: number): number {
  let raised = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const random = seededRandom(run + 1);
    const counts = { canary: { calls: 0, bad: 0 }, stable: { calls: 0, bad: 0 } };
    for (let look = 0; look < 100; look += 1) {
      for (let call = 0; call < 10; call += 1) {
        counts.canary.calls += 1;
        if (random() < pCanary) counts.canary.bad += 1;
      }
      for (let call = 0; call < 30; call += 1) {
        counts.stable.calls += 1;
        if (random() < pStable) counts.stable.bad += 1;
      }
      if (evidence(counts.canary, counts.stable) < evidenceNeeded(RATE)) continue;
      raised += 1;
      break;
    }
  }
  return raised;
}

describe('evidence, looked at 100 times over', () => {
  it.each([
    [0.02, 0.02, 0],
    [0.03, 0.02, 0.01],
    [0.5, 0.5, 0],
    [0.11, 0.01, 0.1],
  ])('of an excess errs no more than stated: canary %f, stable %f, margin %f', (canary, stable, margin) => {
    const raised = alarms((c, s) => evidenceOfExcess(c, s, margin), canary, stable);
    printFact(`false alarms at ${canary} against ${stable}, ${margin} allowed`, `${raised} of ${RUNS} (stated: 5 %)`);
    expect(raised).toBeLessThanOrEqual(RATE * RUNS);
  });

  it.each([
    [0.03, 0.02, 0.01],
    [0.02, 0.01, 0.01],
  ])('of no excess errs no more than stated: canary %f, stable %f, margin %f', (canary, stable, margin) => {
    const accepted = alarms((c, s) => evidenceOfNoExcess(c, s, margin), canary, stable);
    expect(accepted).toBeLessThanOrEqual(RATE * RUNS);
  });

  it('of a share above a limit errs no more than stated', () => {
    expect(alarms((c) => evidenceAbove(c, 0.01), 0.01, 0)).toBeLessThanOrEqual(RATE * RUNS);
  });

  it.each([0.5, 0.05, 0.01])('of calls above a quantile errs no more than stated, looked for at %f', (allowed) => {
    const prior = aboveShare(allowed);
    expect(alarms((c) => evidenceAbove(c, allowed, prior), allowed, 0)).toBeLessThanOrEqual(RATE * RUNS);
    const excess = alarms((c, s) => evidenceOfExcess(c, s, 0, prior), allowed, allowed);
    expect(excess).toBeLessThanOrEqual(RATE * RUNS);
  });

  it('finds what is there', () => {
    expect(alarms((c, s) => evidenceOfExcess(c, s, 0.01), 0.1, 0.01)).toBe(RUNS);
    expect(alarms((c, s) => evidenceOfNoExcess(c, s, 0.05), 0.01, 0.01)).toBe(RUNS);
    expect(alarms((c) => evidenceAbove(c, 0.01), 0.1, 0)).toBe(RUNS);
  });
});

describe('evidence', () => {
  const counts = fc
    .tuple(fc.nat(100_000), fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([calls, share]): Counts => ({ calls, bad: Math.round(calls * share) }));

  it('is a finite number for any figures', () => {
    fc.assert(
      fc.property(counts, counts, fc.double({ min: 0, max: 0.99, noNaN: true }), (canary, stable, margin) => {
        for (const value of [
          evidenceOfExcess(canary, stable, margin),
          evidenceOfNoExcess(canary, stable, margin),
          evidenceAbove(canary, Math.max(margin, 0.001)),
        ]) {
          expect(Number.isFinite(value)).toBe(true);
        }
      }),
    );
  });

  it('never speaks for both at once', () => {
    fc.assert(
      fc.property(counts, counts, fc.double({ min: 0, max: 0.5, noNaN: true }), (canary, stable, margin) => {
        const both = [evidenceOfExcess(canary, stable, margin), evidenceOfNoExcess(canary, stable, margin)];
        expect(Math.min(...both)).toBeLessThanOrEqual(1e-6);
      }),
    );
  });

  it('is none without calls', () => {
    const none = { calls: 0, bad: 0 };
    expect(evidenceOfExcess(none, none, 0.01)).toBeCloseTo(0, 10);
    expect(evidenceOfNoExcess(none, none, 0.01)).toBeCloseTo(0, 10);
  });

  it('shrinks as more is allowed', () => {
    const canary = { calls: 500, bad: 25 };
    const stable = { calls: 9_500, bad: 48 };
    const evidence = [0, 0.01, 0.02, 0.03].map((margin) => evidenceOfExcess(canary, stable, margin));
    expect(evidence).toEqual([...evidence].sort((a, b) => b - a));
  });
});

describe('evidence that a share is below a limit', () => {
  it('is that of the good calls being above the rest', () => {
    for (const [calls, bad] of [
      [30, 0],
      [100, 7],
      [1_000, 150],
    ] as const) {
      const prior = { bad: 0.5, good: 0.5 };
      const turned = evidenceAbove({ calls, bad: calls - bad }, 0.9, prior);
      expect(evidenceBelow({ calls, bad }, 0.1, prior)).toBeCloseTo(turned, 6);
    }
  });

  it('takes 26 good calls to rule out one in ten with an error of one in ten', () => {
    const needed = evidenceNeeded(0.1);
    expect(evidenceBelow({ calls: 25, bad: 0 }, 0.1)).toBeLessThan(needed);
    expect(evidenceBelow({ calls: 28, bad: 0 }, 0.1)).toBeGreaterThanOrEqual(needed);
  });
});
