import type { Clock } from '../../../../../src/base/clock';

export interface ManualClock extends Clock {
  readonly pending: number;
  /** Runs what is due at any time: repeating timers once each, then the single ones, also those that these set. */
  runAll(): void;
}

export function manualClock(): ManualClock {
  const single = new Set<() => void>();
  const repeating = new Set<() => void>();
  const add = (timers: Set<() => void>, callback: () => void) => {
    // Its own function, so that one callback may wait twice.
    const timer = (): void => callback();
    timers.add(timer);
    return { cancel: () => void timers.delete(timer) };
  };
  return {
    now: () => 0,
    wallNow: () => 0,
    setTimer: (_, callback) => add(single, callback),
    setRepeating: (_, callback) => add(repeating, callback),
    get pending() {
      return single.size + repeating.size;
    },
    runAll() {
      for (const timer of [...repeating]) timer();
      for (const timer of single) {
        single.delete(timer);
        timer();
      }
    },
  };
}
