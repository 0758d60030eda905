import { EventHeap } from '../../../../benchmarks/fleet/event-heap';
import type { Random } from '../../../../src/base/random';
import { AttemptLink } from '../../../../src/client/balancer/attempts/attempt-link';
import { MethodTime } from '../../../../src/client/balancer/attempts/methods';
import type { Connection } from '../../../../src/client/balancer/endpoints/endpoint';
import type { PoolPicker } from '../../../../src/client/balancer/pickers/pool-picker';
import { firstTry } from './connections';

export interface Simulation {
  readonly picker: Pick<PoolPicker, 'pick'>;
  /** On each sweep of the loads. */
  readonly ticked?: (nowMs: number) => void;
  readonly ready: readonly Connection[];
  readonly random: Random;
  readonly callsPerSecond: number;
  /** Time to the first response of a call that endpoint `index` begins at `nowMs`. */
  readonly latencyMs: (index: number, nowMs: number, inFlight: number) => number;
}

export interface SimulationWindow {
  /** Calls of each connection in the window. */
  readonly calls: readonly number[];
  /** In flight of each connection, averaged over the sweeps of the window. */
  readonly inFlight: readonly number[];
  /** Of the calls that began in the window. */
  readonly latenciesMs: readonly number[];
}

interface Running {
  readonly index: number;
  readonly attempt: AttemptLink;
}

/**
 * Calls with random gaps on real pickers and real loads, in simulated time, with the shared 100 ms tick. Yields what
 * happened in each stretch of time between the given limits.
 */
export function simulate(simulation: Simulation, limitsMs: readonly number[]): SimulationWindow[] {
  const { picker, ready, random, callsPerSecond, latencyMs } = simulation;
  const indexes = new Map(ready.map((connection, index) => [connection, index]));
  const context = firstTry(random);
  const running = new EventHeap<Running>();
  const time = new MethodTime();
  const windows: SimulationWindow[] = [];
  let nowMs = 0;
  let sweepAtMs = 100;
  for (const limitMs of limitsMs) {
    const calls = ready.map(() => 0);
    const inFlight = ready.map(() => 0);
    const latenciesMs: number[] = [];
    let sweeps = 0;
    while (nowMs < limitMs) {
      nowMs += (-Math.log(1 - random()) * 1000) / callsPerSecond;
      for (;;) {
        const due = running.dueBefore(Math.min(nowMs, sweepAtMs));
        if (due !== undefined) {
          const { index, attempt } = due.value;
          time.answered(due.atMs - attempt.startedAtMs, due.atMs);
          const load = ready[index]?.endpoint.load;
          load?.attemptResponded(attempt);
          load?.attemptEnded(attempt, due.atMs, 'success');
        } else if (sweepAtMs > nowMs) {
          break;
        } else {
          sweeps += 1;
          ready.forEach(({ endpoint }, index) => {
            endpoint.load.sweep(sweepAtMs);
            inFlight[index] = (inFlight[index] ?? 0) + endpoint.load.inFlight;
          });
          simulation.ticked?.(sweepAtMs);
          sweepAtMs += 100;
        }
      }
      const picked = picker.pick(context);
      const index = picked === undefined ? undefined : indexes.get(picked);
      if (picked === undefined || index === undefined) throw new Error('picked nobody, or somebody else');
      const attempt = new AttemptLink(time);
      picked.endpoint.load.picked(false);
      picked.endpoint.load.attemptStarted(attempt, nowMs);
      calls[index] = (calls[index] ?? 0) + 1;
      const tookMs = latencyMs(index, nowMs, picked.endpoint.load.inFlight);
      latenciesMs.push(tookMs);
      running.push(nowMs + tookMs, { index, attempt });
    }
    windows.push({ calls, inFlight: inFlight.map((sum) => sum / Math.max(1, sweeps)), latenciesMs });
  }
  return windows;
}

/** How far the worst connection is from its share by weight: 0.05 is 5 %. */
export function worstDeviation(counts: readonly number[], weights: readonly number[]): number {
  const total = counts.reduce((a, b) => a + b, 0);
  const weightSum = weights.reduce((a, b) => a + b, 0);
  const deviations = counts.map((count, index) => Math.abs((count * weightSum) / (total * (weights[index] ?? 0)) - 1));
  return Math.max(...deviations);
}
