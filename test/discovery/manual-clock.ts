import type { Clock, Timer } from '../../src/internal/clock';

/** Time that stands still until it is told to go. */
export interface ManualClock extends Clock {
  advance(ms: number): void;
  /** Timers that are waiting. */
  readonly pending: number;
}

interface Entry {
  atMs: number;
  readonly everyMs: number | undefined;
  readonly callback: () => void;
}

export function createManualClock(): ManualClock {
  let nowMs = 1000;
  const entries = new Set<Entry>();
  const add = (delayMs: number, everyMs: number | undefined, callback: () => void): Timer => {
    const entry = { atMs: nowMs + delayMs, everyMs, callback };
    entries.add(entry);
    return { cancel: () => void entries.delete(entry) };
  };
  return {
    now: () => nowMs,
    wallNow: () => nowMs,
    setTimer: (delayMs, callback) => add(delayMs, undefined, callback),
    setRepeating: (intervalMs, callback) => add(intervalMs, intervalMs, callback),
    get pending() {
      return entries.size;
    },
    advance(ms) {
      const end = nowMs + ms;
      for (;;) {
        const due = [...entries].filter((entry) => entry.atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
        if (due === undefined) break;
        nowMs = due.atMs;
        if (due.everyMs === undefined) entries.delete(due);
        else due.atMs += due.everyMs;
        due.callback();
      }
      nowMs = end;
    },
  };
}
