import { describe, expect, it } from 'vitest';
import type { Random } from '../../../../src/base/random';
import { seededRandom } from '../../../../src/base/random';
import { Guards } from '../../../../src/client/breaker/guard/guards';
import type { GuardDocument } from '../../../../src/policy/document';
import { printFact } from '../../../support/figure';
import { isLong } from '../../../support/slice';
import { plans, subset } from '../../../unit/client/breaker/guard/fixture';

const WINDOW_MS = 60_000;

interface Side {
  /** Share of attempts that fail. */
  readonly failing: number;
  readonly medianMs?: number;
}

/** Stable has three attempts for each of the canary's. Time and chance are simulated; the guard is the real one. */
class Simulated {
  readonly #random: Random;
  readonly #guards: Guards;
  readonly #stepMs: number;
  #nowMs = 0;
  trips = 0;

  constructor(seed: number, callsAWindow: number, guard: GuardDocument) {
    this.#random = seededRandom(seed);
    this.#stepMs = WINDOW_MS / callsAWindow;
    const still = { cancel: () => {} };
    this.#guards = new Guards({
      clock: { now: () => this.#nowMs, wallNow: () => 0, setTimer: () => still, setRepeating: () => still },
      random: this.#random,
      breakers: { forceOpen: () => {}, endForcedOpen: () => {} },
      attemptNow: () => this.#nowMs,
      onChange: ({ event }) => {
        if (event === 'shed') this.trips += 1;
      },
    });
    this.#configure(guard);
  }

  call(canary: Side, stable: Side): void {
    this.#nowMs += this.#stepMs;
    for (let n = 0; n < 3; n += 1) this.#attempt('stable', stable);
    this.#attempt('canary', canary);
  }

  /** As after a trip, without waiting. */
  begin(guard: GuardDocument): void {
    this.#guards.close();
    this.trips = 0;
    this.#configure(guard);
  }

  #attempt(name: string, { failing, medianMs }: Side): void {
    const isBad = failing > 0 && this.#random() < failing;
    this.#guards.attemptEnded(
      name,
      name,
      isBad ? 'failure' : 'success',
      medianMs === undefined ? 1 : this.#ms(medianMs),
    );
  }

  /** Log-normal, with a tail: one in twenty takes five times the median or longer. */
  #ms(medianMs: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
    return medianMs * Math.exp(normal);
  }

  #configure(guard: GuardDocument): void {
    this.#guards.configure(plans(subset('stable'), subset('canary', guard)));
  }
}

function falseAlarms(
  canary: Side,
  stable: Side,
  windows: number,
  callsAWindow: number,
  guard: GuardDocument = {},
): number {
  const simulated = new Simulated(7, callsAWindow, guard);
  let alarms = 0;
  for (let call = 0; call < windows * callsAWindow; call += 1) {
    simulated.call(canary, stable);
    if (simulated.trips === 0) continue;
    alarms += 1;
    simulated.begin(guard);
  }
  return alarms;
}

/** Canary calls until the guard trips, sorted; a run in which it does not within so many is `Infinity`. */
function callsUntilShed(canary: Side, stable: Side, guard: GuardDocument = {}, most = 6_000): readonly number[] {
  return Array.from({ length: 200 }, (_, run) => {
    const simulated = new Simulated(run + 1, 600, guard);
    for (let call = 1; call <= most; call += 1) {
      simulated.call(canary, stable);
      if (simulated.trips > 0) return call;
    }
    return Number.POSITIVE_INFINITY;
  }).sort((a, b) => a - b);
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;

const WINDOWS = isLong ? 100_000 : 20_000;

describe('false alarms', () => {
  it(`of a canary that is no worse: none in ${WINDOWS} windows`, () => {
    const alarms = falseAlarms({ failing: 0.01 }, { failing: 0.01 }, WINDOWS, 100);
    printFact('guard, canary and stable fail 1 %', `${alarms} false alarms in ${WINDOWS} windows of 100 canary calls`);
    expect(alarms).toBe(0);
  });

  it('that a bare threshold would have raised', () => {
    const random = seededRandom(7);
    let alarms = 0;
    for (let window = 0; window < 10_000; window += 1) {
      let failed = 0;
      let stableFailed = 0;
      for (let calls = 1; calls <= 100; calls += 1) {
        for (let n = 0; n < 3; n += 1) if (random() < 0.01) stableFailed += 1;
        if (random() < 0.01) failed += 1;
        if (calls < 20 || failed / calls <= stableFailed / (3 * calls) + 0.05) continue;
        alarms += 1;
        break;
      }
    }
    printFact('a bare threshold of 5 points, canary and stable fail 1 %', `${alarms} false alarms in 10,000 windows`);
    expect(alarms).toBeGreaterThan(100);
  });

  it.each([
    [0.2, 0.2, 100],
    [0.06, 0.01, 100],
    [0.06, 0.01, 2_000],
  ])('of one that fails %f where stable fails %f, %d calls a window: below the rate', (canary, stable, calls) => {
    const windows = calls > 100 ? 500 : 10_000;
    const alarms = falseAlarms({ failing: canary }, { failing: stable }, windows, calls);
    printFact(
      `guard, canary fails ${canary}, stable ${stable}, 5 points allowed`,
      `${alarms} false alarms in ${windows} windows of ${calls} canary calls`,
    );
    // One in a thousand for each bucket of the ring that a count may begin with.
    expect(alarms).toBeLessThanOrEqual(windows * 0.01);
  });

  it.each([
    [1, 1.5],
    [1.5, 1.5],
  ])('of one that takes %f times as long where %f is allowed: below the rate', (factor, maxLatencyFactor) => {
    const sides = [
      { failing: 0, medianMs: 10 * factor },
      { failing: 0, medianMs: 10 },
    ] as const;
    const alarms = falseAlarms(...sides, 1_000, 200, { maxLatencyFactor });
    printFact(
      `guard, canary takes ${factor} times as long, ${maxLatencyFactor} allowed`,
      `${alarms} false alarms in 1,000 windows of 200 canary calls`,
    );
    expect(alarms).toBeLessThanOrEqual(10);
  });
});

describe('canary calls until it is shed', () => {
  it.each([
    [0.16, 600],
    [0.3, 200],
    [1, 40],
  ])('that fails %f where stable fails 1 %% and 5 points more are allowed', (failing, most) => {
    const calls = callsUntilShed({ failing }, { failing: 0.01 });
    printFact(
      `guard, canary fails ${failing}, stable 0.01, 5 points allowed: canary calls until it is shed`,
      `median ${at(calls, 0.5)}, 99 % ${at(calls, 0.99)} (200 runs)`,
    );
    expect(at(calls, 0.99)).toBeLessThanOrEqual(most);
  });

  it('that takes 3 times as long where 1.5 is allowed', () => {
    const calls = callsUntilShed({ failing: 0, medianMs: 30 }, { failing: 0, medianMs: 10 }, { maxLatencyFactor: 1.5 });
    printFact(
      'guard, canary takes 3 times as long, 1.5 allowed: canary calls until it is shed',
      `median ${at(calls, 0.5)}, 99 % ${at(calls, 0.99)} (200 runs)`,
    );
    expect(at(calls, 0.99)).toBeLessThanOrEqual(250);
  });
});
