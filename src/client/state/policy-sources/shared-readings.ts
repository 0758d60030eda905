import { createRefCounted } from '../../../base/ref-counted';
import type { BlockingQuery } from '../../../consul/blocking-query';
import type { PolicyReading } from '../../../policy/policy-reading';
import type { PolicyWatch } from './source';

/** What one query has read, for the query itself. */
export interface Readings {
  readonly latest: PolicyReading | undefined;
  /** Keeps it and tells every watch. */
  tell(reading: PolicyReading): void;
}

export interface SharedReadings {
  /**
   * The query of `key` runs while somebody watches it, begun by `start` for the first. `listener` is called asynchronously with
   * what is known already, then with what is told; never after `close()`.
   */
  watch(
    key: string,
    start: (readings: Readings) => BlockingQuery,
    listener: (reading: PolicyReading) => void,
  ): PolicyWatch;
}

interface ReadingLoop {
  readonly reading: PolicyReading | undefined;
  subscribe(listener: (reading: PolicyReading) => void): () => void;
  close(): void;
}

/** `threw` hears of listeners that threw. */
export function createSharedReadings(threw: (key: string, error: unknown) => void): SharedReadings {
  const loops = createRefCounted<ReadingLoop>();
  return {
    watch(key, start, listener) {
      const lease = loops.acquire(key, () => startLoop(start));
      let isOpen = true;
      const deliver = (reading: PolicyReading): void => {
        if (!isOpen) return;
        try {
          listener(reading);
        } catch (error) {
          threw(key, error);
        }
      };
      const known = lease.value.reading;
      const unsubscribe = lease.value.subscribe(deliver);
      if (known !== undefined) {
        queueMicrotask(() => {
          if (lease.value.reading === known) deliver(known);
        });
      }
      return {
        close() {
          isOpen = false;
          unsubscribe();
          lease.release();
        },
      };
    },
  };
}

function startLoop(start: (readings: Readings) => BlockingQuery): ReadingLoop {
  const listeners = new Set<(reading: PolicyReading) => void>();
  let latest: PolicyReading | undefined;
  const query = start({
    get latest() {
      return latest;
    },
    tell(reading) {
      latest = reading;
      for (const listener of [...listeners]) listener(reading);
    },
  });
  return {
    get reading() {
      return latest;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      query.close();
      listeners.clear();
    },
  };
}
