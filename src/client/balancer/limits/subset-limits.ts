import type { Clock, Timer } from '../../../base/clock';
import type { SubsetPlan } from '../../../policy/plan';
import { SubsetLimit, type SubsetLimitView } from './subset-limit';

/** The limits of one service in one client, by subset. Empty in most services: a pick asks for nothing then. */
export class SubsetLimits {
  readonly #limits = new Map<string, SubsetLimit>();
  readonly #clock: Clock;
  readonly #lookAgain: () => void;
  #timer: Timer | undefined;
  #dueAtMs = 0;

  /** `lookAgain`: has channels pick again for calls that wait. */
  constructor(clock: Clock, lookAgain: () => void) {
    this.#clock = clock;
    this.#lookAgain = lookAgain;
  }

  get isEmpty(): boolean {
    return this.#limits.size === 0;
  }

  of(subset: string): SubsetLimit | undefined {
    return this.#limits.get(subset);
  }

  /** A limit whose numbers change keeps what it has counted. Called before pools are made of the plan. */
  configure(subsets: ReadonlyMap<string, SubsetPlan>): void {
    for (const name of this.#limits.keys()) if (subsets.get(name)?.limits === undefined) this.#limits.delete(name);
    for (const [name, { limits }] of subsets) {
      if (limits === undefined) continue;
      const known = this.#limits.get(name);
      if (known !== undefined) known.configure(limits);
      else this.#limits.set(name, new SubsetLimit(name, limits, this.#lookAgain));
    }
  }

  /** A call waits: it is looked at again when its time is over, if not before. */
  lookAgainIn(delayMs: number): void {
    const dueAtMs = this.#clock.now() + delayMs;
    if (this.#timer !== undefined && this.#dueAtMs <= dueAtMs) return;
    this.#timer?.cancel();
    this.#dueAtMs = dueAtMs;
    this.#timer = this.#clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#lookAgain();
    });
  }

  views(): SubsetLimitView[] {
    return [...this.#limits.values()].map((limit) => limit.view());
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
