/** Limits how much runs at once. What comes beyond the queue is turned away at once. */
export interface Turns {
  /** Runs `work` when it is its turn; undefined: too many wait already. */
  take<T>(work: () => Promise<T>): Promise<T> | undefined;
}

/** `atOnce` run, `waiting` more wait for one of them to end. */
export function createTurns(atOnce: number, waiting: number): Turns {
  let running = 0;
  const queue: (() => void)[] = [];
  const run = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } finally {
      const next = queue.shift();
      // The place goes to whoever waits: nobody can take it between.
      if (next === undefined) running -= 1;
      else next();
    }
  };
  return {
    take(work) {
      if (running < atOnce) {
        running += 1;
        return run(work);
      }
      if (queue.length >= waiting) return undefined;
      return new Promise<void>((resolve) => queue.push(resolve)).then(() => run(work));
    },
  };
}
