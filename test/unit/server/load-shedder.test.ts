import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../../src/base/random';
import { CRITICALITIES, LoadShedder } from '../../../src/server/load-shedder';

const WORK_MS = 1;
const REFUSAL_MS = 0.1;
const WINDOW_MS = 250;
const IN_TIME_MS = 400;
/** Of the calls, by criticality. */
const MIX = [0.05, 0.45, 0.2, 0.3];

interface Outcome {
  /** By criticality. */
  readonly arrived: number[];
  readonly inTime: number[];
  readonly refused: number;
  readonly late: number;
}

interface Scene {
  /** Of what the process can do, by the time in ms. */
  readonly load: (atMs: number) => number;
  readonly shedder: LoadShedder | undefined;
  readonly random: Random;
  readonly fromMs: number;
  readonly untilMs: number;
  /** The process does nothing for `ms`, once. */
  readonly pause?: { readonly atMs: number; readonly ms: number };
}

/** A process with one thread: each turn serves all that has arrived by its beginning. */
function simulate({ load, shedder, random, fromMs, untilMs, pause }: Scene): Outcome {
  const exponential = (mean: number): number => -Math.log(1 - random()) * mean;
  const outcome = { arrived: MIX.map(() => 0), inTime: MIX.map(() => 0), refused: 0, late: 0 };
  let now = 0;
  let next = 0;
  let windowEnd = WINDOW_MS;
  let turns: number[] = [];
  while (now < untilMs) {
    const begun = now;
    if (next > now) now = next;
    for (; next <= begun; next += exponential(WORK_MS / load(next))) {
      const level = levelOf(random());
      const counts = next >= fromMs ? 1 : 0;
      outcome.arrived[level] = (outcome.arrived[level] ?? 0) + counts;
      if (shedder?.admits(level) === false) {
        now += REFUSAL_MS;
        outcome.refused += counts;
        continue;
      }
      now += exponential(WORK_MS);
      if (now - next <= IN_TIME_MS) outcome.inTime[level] = (outcome.inTime[level] ?? 0) + counts;
      else outcome.late += counts;
    }
    if (pause !== undefined && begun < pause.atMs && now >= pause.atMs) now += pause.ms;
    // A probe each 10 ms sees nothing in a turn that is shorter.
    for (let slept = begun; slept < now; slept += Math.max(10, now - begun))
      turns.push(now - begun > 10 ? now - begun : 0);
    if (now < windowEnd) continue;
    turns.sort((a, b) => a - b);
    shedder?.endWindow(turns[Math.floor(turns.length / 2)] ?? 0);
    turns = [];
    windowEnd = now + WINDOW_MS;
  }
  return outcome;
}

function levelOf(draw: number): number {
  let left = draw;
  for (const [level, share] of MIX.entries()) {
    left -= share;
    if (left < 0) return level;
  }
  return MIX.length - 1;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function run(scene: Partial<Scene> & Pick<Scene, 'load'>, isShedding = true): Outcome {
  const random = seededRandom(7);
  const shedder = isShedding ? new LoadShedder(100, random) : undefined;
  return simulate({ shedder, random, fromMs: 10_000, untilMs: 40_000, ...scene });
}

describe('load shedding, simulated', () => {
  it.each([0.5, 0.8, 0.9, 0.95])('refuses nothing at %d of what the process can do', (load) => {
    const found = run({ load: () => load });
    expect(found.refused).toBe(0);
    expect(found.late).toBe(0);
  });

  it.each([1.1, 1.5, 2, 3])('answers in time most of what it can do at %d times as much', (load) => {
    const found = run({ load: () => load });
    const without = run({ load: () => load }, false);
    const [critical = 0] = found.inTime;
    const [all = 0] = found.arrived;
    // Refusals have their price: at three times the load a fifth of the time.
    expect(sum(found.inTime)).toBeGreaterThan(30_000 * (1 - load * REFUSAL_MS) * 0.85);
    expect(sum(without.inTime)).toBeLessThan(30_000 * 0.05);
    expect(critical / all).toBeGreaterThan(0.97);
  });

  it('refuses what matters least first', () => {
    const { arrived, inTime } = run({ load: () => 1.5 });
    const shares = inTime.map((count, level) => count / (arrived[level] ?? 1));
    expect(shares).toEqual(shares.toSorted((a, b) => b - a));
    expect(shares[0]).toBe(1);
    expect(shares[3]).toBeLessThan(0.1);
  });

  it('lets everything in again within 3 s of a burst', () => {
    const load = (atMs: number): number => (atMs > 12_000 && atMs < 15_000 ? 3 : 0.7);
    const found = run({ load, fromMs: 18_000 });
    expect(found.refused).toBe(0);
    expect(found.late).toBe(0);
  });

  it('does not take one pause for overload', () => {
    const found = run({ load: () => 0.5, pause: { atMs: 20_000, ms: 200 } });
    expect(found.refused).toBe(0);
  });
});

describe('LoadShedder', () => {
  it('lets everything in until a window has ended late', () => {
    const shedder = new LoadShedder(100, () => 0.99);
    for (const level of CRITICALITIES.keys())
      for (let n = 0; n < 1_000; n += 1) expect(shedder.admits(level)).toBe(true);
    expect(shedder.isShedding).toBe(false);
  });

  it('sheds a part of the least important after one late window', () => {
    const shedder = new LoadShedder(100, () => 0.49);
    for (const level of CRITICALITIES.keys()) for (let n = 0; n < 100; n += 1) shedder.admits(level);
    shedder.endWindow(101);
    expect(shedder.isShedding).toBe(true);
    // 360 of 400 fit: of the last hundred, 60.
    expect(CRITICALITIES.map((_, level) => shedder.admits(level))).toEqual([true, true, true, true]);
    const unlucky = new LoadShedder(100, () => 0.61);
    for (const level of CRITICALITIES.keys()) for (let n = 0; n < 100; n += 1) unlucky.admits(level);
    unlucky.endWindow(101);
    expect(CRITICALITIES.map((_, level) => unlucky.admits(level))).toEqual([true, true, true, false]);
  });

  it('lets everything in again when little arrives', () => {
    const shedder = new LoadShedder(100, () => 0.5);
    for (let n = 0; n < 100; n += 1) shedder.admits(1);
    shedder.endWindow(500);
    expect(shedder.isShedding).toBe(true);
    for (let n = 0; n < 10; n += 1) shedder.admits(1);
    shedder.endWindow(0);
    expect(shedder.isShedding).toBe(false);
  });
});
