import type { Counts } from '../../../base/sequential-test';

/** What a `request-duration` check remembers from one measurement of a window to the next; plain JSON. */
export interface SlowCalls {
  /** Calls that take longer are slow, milliseconds. Fixed once stable has calls enough. */
  readonly limitMs: number;
  /** The canary's calls up to the last measurement, and how many of them were slow. */
  readonly seen: Counts;
  /** What the measurement that was worst for the canary had added to them. */
  readonly worst: Counts;
}

const NONE: Counts = { calls: 0, bad: 0 };

/** After another measurement, which counted `now` since the window began. `allowed` is the share of calls that may be slow. */
export function addSlowCalls(before: SlowCalls | undefined, limitMs: number, now: Counts, allowed: number): SlowCalls {
  const added = minus(now, before?.seen ?? NONE);
  const excess = ({ calls, bad }: Counts): number => bad - allowed * calls;
  const worst = before !== undefined && excess(before.worst) >= excess(added) ? before.worst : added;
  return { limitMs, seen: now, worst };
}

export function withoutWorst({ seen, worst }: SlowCalls): Counts {
  return minus(seen, worst);
}

/** Never below nothing: figures may shrink when a client that was counted has gone. */
function minus(all: Counts, some: Counts): Counts {
  const calls = Math.max(0, all.calls - some.calls);
  return { calls, bad: Math.min(calls, Math.max(0, all.bad - some.bad)) };
}
