import { quantile } from './sample';

/** Something to measure. */
export interface BenchmarkCase {
  readonly name: string;
  /** Cases with the same group are compared with each other; ratios are to the group's first case. */
  readonly group: string;
  /** Does the operation `count` times and returns something that depends on the results, so that none is optimised away. */
  readonly run: (count: number) => unknown;
}

export interface MeasureOptions {
  /** Rounds; in each, every case runs one batch. */
  readonly rounds: number;
  /** Time that one batch should take, in milliseconds. */
  readonly batchMs: number;
}

export interface Measurement {
  readonly name: string;
  readonly group: string;
  /** Nanoseconds an operation: median of the rounds, and the tenth and ninetieth percentile of them. */
  readonly ns: number;
  readonly nsLow: number;
  readonly nsHigh: number;
  /** Median over the rounds of this case's time by that of the group's first case in the same round. */
  readonly ratio: number;
  /** Bytes of heap an operation; undefined without --expose-gc. */
  readonly bytes: number | undefined;
}

const WARM_UP_MS = 30;
/** Few enough operations not to fill the young generation, where a collection would hide what was allocated. */
const HEAP_OPERATIONS = 1_000;
const HEAP_ROUNDS = 9;

/**
 * Measures all cases interleaved: one batch of each in every round, beginning with another case each time, so that noise
 * and drift of the machine hit all of them alike and ratios can be taken within a round.
 */
export function measure(cases: readonly BenchmarkCase[], options: MeasureOptions): Measurement[] {
  const prepared = cases.map((benchmark) => ({ benchmark, count: calibrate(benchmark, options.batchMs) }));
  const samples = new Map(cases.map((benchmark) => [benchmark, [] as number[]]));
  for (let round = 0; round < options.rounds; round += 1) {
    for (let turn = 0; turn < prepared.length; turn += 1) {
      const entry = prepared[(turn + round) % prepared.length];
      if (entry === undefined) continue;
      samples.get(entry.benchmark)?.push(nanosecondsEach(entry.benchmark, entry.count));
    }
  }
  return cases.map((benchmark) => {
    const times = samples.get(benchmark) ?? [];
    const first = cases.find(({ group }) => group === benchmark.group) ?? benchmark;
    const reference = samples.get(first) ?? times;
    return {
      name: benchmark.name,
      group: benchmark.group,
      ns: quantile(times, 0.5),
      nsLow: quantile(times, 0.1),
      nsHigh: quantile(times, 0.9),
      ratio: quantile(
        times.map((time, round) => time / (reference[round] ?? time)),
        0.5,
      ),
      bytes: bytesEach(benchmark),
    };
  });
}

let sink: unknown;

/** What the last batch returned. Read by nobody; being exported keeps it from being optimised away. */
export function lastResult(): unknown {
  return sink;
}

function calibrate(benchmark: BenchmarkCase, batchMs: number): number {
  let count = 100;
  const until = performance.now() + WARM_UP_MS;
  let ns = nanosecondsEach(benchmark, count);
  while (performance.now() < until) {
    ns = nanosecondsEach(benchmark, count);
    count = Math.min(count * 2, 20_000);
  }
  return Math.max(1, Math.round((batchMs * 1e6) / ns));
}

function nanosecondsEach(benchmark: BenchmarkCase, count: number): number {
  const start = process.hrtime.bigint();
  sink = benchmark.run(count);
  return Number(process.hrtime.bigint() - start) / count;
}

function bytesEach(benchmark: BenchmarkCase): number | undefined {
  const { gc } = globalThis;
  if (gc === undefined) return undefined;
  const deltas = Array.from({ length: HEAP_ROUNDS }, () => {
    gc({ type: 'minor' });
    const unmeasured = process.memoryUsage().heapUsed;
    const before = process.memoryUsage().heapUsed;
    sink = benchmark.run(HEAP_OPERATIONS);
    const after = process.memoryUsage().heapUsed;
    return (after - before - (before - unmeasured)) / HEAP_OPERATIONS;
  });
  return Math.max(0, quantile(deltas, 0.5));
}
