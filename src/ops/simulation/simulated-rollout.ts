import type { Random } from '../../base/random';
import { advance, confirmAction, nextWakeMs, startRollout } from '../rollout/advance';
import type { DurationHistogram, Measurement, MeasureRequest } from '../rollout/analysis/subset-metrics';
import type { AnalysisResult } from '../rollout/analysis/verdict';
import type { RolloutDocument } from '../rollout/document';
import { wantedMeasurement } from '../rollout/measurement';
import { dueActions, type RolloutProgress } from '../rollout/progress';

/** Bounds of the SDK's own histogram, milliseconds. */
const BOUNDS_MS = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000] as const;

export interface SideBehaviour {
  /** Share of calls that fail, 0..1. */
  readonly failing: number;
  /** Median of a log-normal duration, milliseconds. */
  readonly medianMs: number;
}

export interface SimulatedTraffic {
  readonly callsPerSecond: number;
  readonly stable: SideBehaviour;
  readonly canary: SideBehaviour;
  readonly random: Random;
}

/** What happened at one moment: a weight was set, or a measurement was judged. */
export interface SimulatedMoment {
  /** Since the start of the rollout. */
  readonly atMs: number;
  /** Percent of the calls, from then on. */
  readonly weight: number;
  /** Of a measurement. */
  readonly result?: AnalysisResult;
}

export interface SimulatedEnd {
  readonly progress: RolloutProgress;
  readonly elapsedMs: number;
  /** More calls were due than 5,000,000: the rollout was not followed to its end. */
  readonly isCut: boolean;
  /** Calls that the canary was sent, and those of them that failed. */
  readonly canaryCalls: number;
  readonly canaryFailures: number;
  /** Weights in the order in which they were set, the rollback's 0 included. */
  readonly weights: readonly number[];
  /** In the order of their times. */
  readonly moments: readonly SimulatedMoment[];
}

/** A second or two of drawing. */
const MOST_CALLS = 5_000_000;

interface Tally {
  calls: number;
  failures: number;
  readonly counts: number[];
}

/** A whole rollout in virtual time: as fast as chance can be drawn. Ends when it waits for a person. */
export function simulateRollout(document: RolloutDocument, traffic: SimulatedTraffic): SimulatedEnd {
  const start = 1_800_000_000_000;
  let nowMs = start;
  let progress = startRollout({ id: 'simulated', document, weight: 0 }, nowMs);
  const weights: number[] = [];
  const moments: SimulatedMoment[] = [];
  const total = { calls: 0, failures: 0 };
  let drawn = 0;
  let isCut = false;
  let stable = emptyTally();
  let canary = emptyTally();
  let windowSinceMs = start;
  let measured: Measurement | undefined;
  for (let turn = 0; turn < 10_000; turn += 1) {
    const saved = advance(progress, measured, nowMs);
    const actions = dueActions(saved);
    const result = measured === undefined ? undefined : saved.results.at(-1);
    if (result !== undefined) moments.push({ atMs: nowMs - start, weight: progress.weight, result });
    progress = saved;
    measured = undefined;
    for (const action of actions) {
      if (action.kind === 'setWeight') weights.push(action.weight);
      if (action.kind === 'rollback') weights.push(0);
      const { weight } = progress;
      progress = confirmAction(progress, action.number, nowMs);
      if (progress.weight !== weight) moments.push({ atMs: nowMs - start, weight: progress.weight });
    }
    if (actions.length > 0) continue;
    const wakeMs = nextWakeMs(progress);
    if (wakeMs === undefined) break;
    const sinceMs = progress.window?.sinceMs ?? windowSinceMs;
    if (sinceMs !== windowSinceMs) {
      windowSinceMs = sinceMs;
      stable = emptyTally();
      canary = emptyTally();
    }
    const calls = Math.round(((wakeMs - nowMs) / 1_000) * traffic.callsPerSecond);
    drawn += calls;
    isCut = drawn > MOST_CALLS;
    if (isCut) break;
    for (let call = 0; call < calls; call += 1) {
      const isCanary = traffic.random() * 100 < progress.weight;
      const failed = drawCall(isCanary ? canary : stable, isCanary ? traffic.canary : traffic.stable, traffic.random);
      if (!isCanary) continue;
      total.calls += 1;
      if (failed) total.failures += 1;
    }
    nowMs = wakeMs;
    const wanted: MeasureRequest | undefined = wantedMeasurement(progress, nowMs);
    if (wanted !== undefined) measured = { canary: figuresOf(canary), stable: figuresOf(stable) };
  }
  return {
    progress,
    elapsedMs: nowMs - start,
    isCut,
    canaryCalls: total.calls,
    canaryFailures: total.failures,
    weights,
    moments,
  };
}

function emptyTally(): Tally {
  return { calls: 0, failures: 0, counts: Array.from({ length: BOUNDS_MS.length + 1 }, () => 0) };
}

function figuresOf({ calls, failures, counts }: Tally) {
  const durations: DurationHistogram = { boundsMs: BOUNDS_MS, counts: [...counts] };
  return { calls, failures, durations, openBreakers: 0 };
}

function drawCall(tally: Tally, { failing, medianMs }: SideBehaviour, random: Random): boolean {
  const failed = random() < failing;
  // Box and Muller; sigma 0.5 puts p99 at 3.2 times the median.
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const ms = medianMs * Math.exp(0.5 * normal);
  const bucket = BOUNDS_MS.findIndex((bound) => ms <= bound);
  const at = bucket === -1 ? BOUNDS_MS.length : bucket;
  tally.counts[at] = (tally.counts[at] ?? 0) + 1;
  tally.calls += 1;
  if (failed) tally.failures += 1;
  return failed;
}
