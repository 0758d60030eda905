import { setMaxListeners } from 'node:events';

/** Where a loop rests between two looks. */
export interface Rest {
  /** Resolves after `milliseconds`, or with the first `end()` since `forget()`, or when the signal aborts. */
  take(milliseconds: number): Promise<void>;
  /** There is something to look at: ends the rest under way; without one, the next is none. */
  end(): void;
  /** Call before looking: what was to be looked at is about to be seen. */
  forget(): void;
}

export function createRest(signal: AbortSignal): Rest {
  // One loop a service, and all of them hear the same signal: Node takes more than ten for a leak.
  setMaxListeners(0, signal);
  let isOver = false;
  let wake: (() => void) | undefined;
  return {
    take(milliseconds) {
      return new Promise((resolve) => {
        if (isOver || signal.aborted || milliseconds <= 0) return void setImmediate(resolve);
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          wake = undefined;
          resolve();
        };
        const timer = setTimeout(done, milliseconds);
        signal.addEventListener('abort', done, { once: true });
        wake = done;
      });
    },
    end() {
      isOver = true;
      wake?.();
    },
    forget() {
      isOver = false;
    },
  };
}
