import { expect, it } from 'vitest';
import type { Breaker } from '../../../src/client/breaker/breaker';
import { BreakerRegistry } from '../../../src/client/breaker/registry';
import { FakeClock } from '../../../src/client/testing/fake-clock';
import { heapKb, nsEach } from '../../support/cost';
import { noJitter, plan } from '../../unit/client/breaker/fixture';

/** Figures are printed, for the record of what a breaker costs; what is asserted holds on any machine. */

const BREAKERS = 10_000;
const ROUNDS = 200_000;

it('ten thousand breakers cost memory and no time while idle', () => {
  const clock = new FakeClock();
  const registry = new BreakerRegistry({ clock, random: noJitter });
  const before = heapKb();
  const start = performance.now();
  const breakers = Array.from({ length: BREAKERS }, (_, index) => registry.failed(`dc1/10.0.0.1:${index}`, plan()));
  const createdMs = performance.now() - start;
  const kbEach = (heapKb() - before) / BREAKERS;
  expect(clock.pending).toBe(0);

  for (const breaker of breakers) breaker.record(breaker.begin(0), 'failure', 0);
  expect(clock.pending).toBe(1);
  const tickStart = performance.now();
  clock.advance(1_000);
  const tickMs = performance.now() - tickStart;
  clock.advance(10_000);
  expect(clock.pending).toBe(0);
  console.log(
    `${BREAKERS} breakers: ${kbEach.toFixed(2)} KB each, made in ${createdMs.toFixed(0)} ms; idle: 0 timers; ` +
      `all counting: one tick a second of ${tickMs.toFixed(1)} ms`,
  );
  registry.close();
});

it('asking and telling a closed breaker is cheap, and a window of ten seconds keeps nothing of each call', () => {
  const clock = new FakeClock();
  const registry = new BreakerRegistry({ clock, random: noJitter });
  const breaker = registry.failed('dc1/10.0.0.1:80', plan());
  const lenient = registry.failed('dc1/10.0.0.2:80', plan({ consecutiveFailures: 0, volumeThreshold: 1e9 }));
  let admitted = 0;
  const ask = (): void => {
    if (breaker.admits(0)) admitted += 1;
  };
  const succeed = (which: Breaker) => (round: number) =>
    which.record(which.begin(round / 1000), 'success', round / 1000, 3);
  const fail = (round: number): void => lenient.record(lenient.begin(round / 1000), 'failure', round / 1000, 3, 'down');
  for (const warm of [ask, succeed(breaker), fail]) nsEach(ROUNDS / 4, warm);
  const before = heapKb();
  const figures = [nsEach(ROUNDS * 10, ask), nsEach(ROUNDS, succeed(breaker)), nsEach(ROUNDS, fail)];
  const grownKb = heapKb() - before;
  console.log(
    `admits ${figures[0]?.toFixed(1)} ns, success ${figures[1]?.toFixed(0)} ns, failure ${figures[2]?.toFixed(0)} ns; ` +
      `heap after ${2 * ROUNDS} outcomes ${grownKb.toFixed(0)} KB`,
  );
  expect(admitted).toBe(ROUNDS / 4 + ROUNDS * 10);
  // Eight bytes each would be 3,125 KB.
  expect(grownKb).toBeLessThan(1_000);
  registry.close();
});
