import { setMaxListeners } from 'node:events';

/** Resolves after `milliseconds`, or as soon as `signal` aborts. Never rejects. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return sleepUnless(milliseconds, signal, () => {});
}

/** The pause of a loop between two looks, which an event may end early. */
export interface InterruptibleSleep {
  /** Resolves after `milliseconds`, with the first `wake()` since `reset()`, or when the signal aborts. */
  sleep(milliseconds: number): Promise<void>;
  /** Ends the present sleep; where there is none, the next one ends at once. */
  wake(): void;
  /** Call this before looking: what has woken the loop so far is about to be seen. */
  reset(): void;
}

export function createInterruptibleSleep(signal: AbortSignal): InterruptibleSleep {
  // Every loop listens to the same signal, and Node warns of a leak from eleven listeners on.
  setMaxListeners(0, signal);
  let isWoken = false;
  let wake: (() => void) | undefined;
  return {
    async sleep(milliseconds) {
      await sleepUnless(isWoken ? 0 : milliseconds, signal, (end) => {
        wake = end;
      });
      wake = undefined;
    },
    wake() {
      isWoken = true;
      wake?.();
    },
    reset() {
      isWoken = false;
    },
  };
}

/** Hands out, before anything else happens, the function that ends the sleep. */
function sleepUnless(
  milliseconds: number,
  signal: AbortSignal | undefined,
  expose: (end: () => void) => void,
): Promise<void> {
  return new Promise((resolve) => {
    if (milliseconds <= 0 || signal?.aborted === true) return void setImmediate(resolve);
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener('abort', end, { once: true });
    expose(end);
  });
}
