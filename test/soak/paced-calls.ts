/** Calls that begin at a steady pace. */
export interface PacedCalls {
  /** How many have begun. */
  readonly begun: number;
  /** Begins no more, and waits for those under way. */
  stop(): Promise<void>;
}

/** `one`: a call, by its number from 0. It does not reject. */
export function startPacedCalls(perSecond: number, one: (number: number) => Promise<void>): PacedCalls {
  const out = new Set<Promise<void>>();
  const began = performance.now();
  let begun = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * perSecond;
    for (; begun < due; begun += 1) {
      const call = one(begun).finally(() => out.delete(call));
      out.add(call);
    }
  }, 5);
  return {
    get begun() {
      return begun;
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(out);
    },
  };
}
