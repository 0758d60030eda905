const SAMPLE_MS = 20;
/** A turn that comes later than this makes the loop busy: the client's own measure, see `src/client/breaker/stall.ts`. */
const LATE_MS = 25;
/** So long after its last late turn the loop counts as busy. */
const RECOVERS_MS = 400;

/** When the event loop of this process was calm: while it is busy, the client believes no deadline, so that no breaker opens. */
export interface CalmTime {
  isCalmAt(atMs: number): boolean;
  /** How much of the time between two moments of `performance.now()` was calm. */
  msBetween(fromMs: number, toMs: number): number;
  stop(): void;
}

export function watchCalm(): CalmTime {
  const busy: { readonly fromMs: number; toMs: number }[] = [];
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - lastMs - SAMPLE_MS > LATE_MS) {
      const last = busy.at(-1);
      if (last !== undefined && last.toMs >= lastMs) last.toMs = now + RECOVERS_MS;
      else busy.push({ fromMs: lastMs, toMs: now + RECOVERS_MS });
    }
    lastMs = now;
  }, SAMPLE_MS);
  return {
    isCalmAt: (atMs) => !busy.some(({ fromMs, toMs }) => atMs >= fromMs && atMs < toMs),
    msBetween: (fromMs, toMs) =>
      busy.reduce(
        (left, each) => left - Math.max(0, Math.min(toMs, each.toMs) - Math.max(fromMs, each.fromMs)),
        toMs - fromMs,
      ),
    stop: () => clearInterval(timer),
  };
}
