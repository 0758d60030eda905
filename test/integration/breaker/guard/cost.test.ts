import { expect, it } from 'vitest';
import { heapKb, nsEach } from '../../../support/cost';
import { printFact } from '../../../support/figure';
import { guardRig } from '../../../unit/client/breaker/guard/fixture';

/** Figures are printed, for the record of what a guard costs; what is asserted holds on any machine. */

const ROUNDS = 200_000;

it('hears of an attempt at next to no cost, keeps nothing of it and needs no timer', () => {
  for (const guard of [{}, { maxLatencyFactor: 2 }]) {
    const { guards, clock } = guardRig(guard);
    const well = (subset: string) => (round: number) =>
      guards.attemptEnded(subset, subset, 'success', 1 + (round % 50));
    for (const subset of ['stable', 'canary', 'none']) nsEach(ROUNDS, well(subset));
    const before = heapKb();
    const figures = ['stable', 'canary', 'none'].map((subset) => nsEach(ROUNDS, well(subset)));
    const grownKb = heapKb() - before;
    printFact(
      `guard${'maxLatencyFactor' in guard ? ' of times' : ''}, for each attempt`,
      `stable ${figures[0]?.toFixed(0)} ns, canary ${figures[1]?.toFixed(0)} ns, another subset ${figures[2]?.toFixed(0)} ns; heap after ${3 * ROUNDS} attempts ${grownKb.toFixed(0)} KB`,
    );
    // Two bytes kept of each attempt would be more.
    expect(grownKb).toBeLessThan(1_000);
    expect(clock.pending).toBe(0);
  }
});

it('weighs a failure only where there is something to weigh', () => {
  // 7 % where 6 % is allowed: too little to tell for long.
  const rig = guardRig();
  const call = (round: number): void => {
    rig.attempts('stable', round % 100 === 0 ? 'failure' : 'success', 3);
    rig.attempts('canary', round % 14 === 0 ? 'failure' : 'success');
  };
  const all = nsEach(10_000, call);
  expect(rig.view().trips).toBe(0);
  printFact('guard, a canary call and three of stable, 7 % and 1 % fail', `${all.toFixed(0)} ns together`);
});
