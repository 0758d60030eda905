import { randomBytes } from 'node:crypto';
import type { AnnouncedWindow } from '../../base/rollout-announcement';
import { DURATION_BOUNDS_MS, type FiguresReport, type ReportedCounts } from '../../base/rollout-report';
import type { AttemptListener } from '../balancer/context';
import type { Outcome } from '../breaker/outcome';

/** One client's counts of one window. Hears of each attempt; allocates nothing then. */
export class WindowCounts implements AttemptListener {
  readonly window: AnnouncedWindow;
  readonly #client = randomBytes(12).toString('base64url');
  readonly #canary = new SubsetCounts();
  readonly #stable = new SubsetCounts();
  #number = 0;

  constructor(window: AnnouncedWindow) {
    this.window = window;
  }

  attemptEnded(wanted: string, served: string, outcome: Outcome, latencyMs: number): void {
    this.#of(served)?.ended(outcome, latencyMs);
    if (wanted === served) return;
    const meant = this.#of(wanted);
    if (meant !== undefined) meant.fallbacks += 1;
  }

  /** `isShed`: whether the breaker of a subset is open now. */
  report(isShed: (subset: string) => boolean): FiguresReport {
    const { id, canary, stable } = this.window;
    this.#number += 1;
    return {
      format: 1,
      client: this.#client,
      window: id,
      number: this.#number,
      canary: this.#canary.report(isShed(canary)),
      stable: this.#stable.report(isShed(stable)),
    };
  }

  #of(subset: string): SubsetCounts | undefined {
    if (subset === this.window.canary) return this.#canary;
    return subset === this.window.stable ? this.#stable : undefined;
  }
}

class SubsetCounts {
  fallbacks = 0;
  #calls = 0;
  #failures = 0;
  #neutral = 0;
  readonly #durations: number[] = Array.from({ length: DURATION_BOUNDS_MS.length + 1 }, () => 0);

  ended(outcome: Outcome, latencyMs: number): void {
    if (outcome === 'neutral') {
      this.#neutral += 1;
      return;
    }
    this.#calls += 1;
    if (outcome !== 'success') this.#failures += 1;
    const bucket = bucketOf(latencyMs);
    this.#durations[bucket] = (this.#durations[bucket] ?? 0) + 1;
  }

  report(isShed: boolean): ReportedCounts {
    return {
      calls: this.#calls,
      failures: this.#failures,
      neutral: this.#neutral,
      fallbacks: this.fallbacks,
      isShed,
      durations: [...this.#durations],
    };
  }
}

/** The first bucket whose bound is not below; a bound belongs to the bucket under it, as with Prometheus. */
function bucketOf(latencyMs: number): number {
  let low = 0;
  let high = DURATION_BOUNDS_MS.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (latencyMs <= (DURATION_BOUNDS_MS[middle] ?? 0)) high = middle;
    else low = middle + 1;
  }
  return low;
}
