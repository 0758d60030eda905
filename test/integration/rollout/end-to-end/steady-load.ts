import { charge, type PaymentsClient } from '../../../support/payments';

/** What became of the calls of one service. */
export interface SteadyLoad {
  readonly calls: number;
  /** Those that failed for their caller. */
  readonly lost: number;
  /** Which version answered the last `count` calls that ended. */
  versions(count: number): readonly (string | undefined)[];
  /** A quantile (0..1) of how long the last `count` calls took; infinite before there were so many. */
  durationMs(count: number, quantile: number): number;
  /** Waits for the calls that are out. */
  stop(): Promise<void>;
}

const TICK_MS = 10;
/** What a busy machine held up is made up for, within limits. */
const MOST_PER_TICK = 50;

/** Calls without labels, as steadily as two busy cores allow. */
export function startLoad(client: PaymentsClient, callsPerSecond: number): SteadyLoad {
  const answered: (string | undefined)[] = [];
  const tookMs: number[] = [];
  const out = new Set<Promise<void>>();
  let calls = 0;
  let lost = 0;
  let due = 0;
  let lastMs = performance.now();
  const call = async (): Promise<void> => {
    const startedAtMs = performance.now();
    try {
      answered.push((await charge(client)).version);
    } catch {
      lost += 1;
      answered.push(undefined);
    }
    tookMs.push(performance.now() - startedAtMs);
  };
  const timer = setInterval(() => {
    const nowMs = performance.now();
    due = Math.min(MOST_PER_TICK, due + ((nowMs - lastMs) / 1_000) * callsPerSecond);
    lastMs = nowMs;
    for (; due >= 1; due -= 1) {
      calls += 1;
      const ended: Promise<void> = call().finally(() => out.delete(ended));
      out.add(ended);
    }
  }, TICK_MS);
  return {
    get calls() {
      return calls;
    },
    get lost() {
      return lost;
    },
    versions: (count) => answered.slice(-count),
    durationMs(count, quantile) {
      const last = tookMs.slice(-count).sort((a, b) => a - b);
      return last.length < count ? Number.POSITIVE_INFINITY : (last[Math.floor(quantile * count)] ?? Number.NaN);
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(out);
    },
  };
}
