import type { SubsetPlan } from '../../policy/plan';

/** So many calls may go to the fallback at once before the share is kept to. */
const BURST = 10;

/** Keeps what a subset sends to its fallback to a share of its calls. Counts calls, not time: it needs no clock. */
export class FallbackCap {
  readonly percentage: number;
  #allowance = BURST;

  constructor(percentage: number) {
    this.percentage = percentage;
  }

  /** A call for the subset begins. */
  called(): void {
    this.#allowance = Math.min(BURST, this.#allowance + this.percentage / 100);
  }

  /** May one more of its calls go to the fallback? */
  take(): boolean {
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }
}

/** The caps of one service in one Graylane client, by subset. Empty in most services: a pick asks for nothing then. */
export class FallbackCaps {
  readonly #caps = new Map<string, FallbackCap>();

  get isEmpty(): boolean {
    return this.#caps.size === 0;
  }

  of(subset: string): FallbackCap | undefined {
    return this.#caps.get(subset);
  }

  /** A cap whose number stays keeps its allowance. */
  configure(subsets: ReadonlyMap<string, SubsetPlan>): void {
    for (const name of this.#caps.keys()) if (!subsets.has(name)) this.#caps.delete(name);
    for (const [name, { fallback, fallbackMaxPercentage: percentage }] of subsets) {
      if (fallback === undefined || percentage >= 100) this.#caps.delete(name);
      else if (this.#caps.get(name)?.percentage !== percentage) this.#caps.set(name, new FallbackCap(percentage));
    }
  }
}
