import type { SubsetPlan } from '../../../policy/plan';
import type { Outcome } from '../outcome';
import { type GuardOptions, type GuardView, SubsetGuard } from './subset-guard';

interface Side {
  readonly guard: SubsetGuard;
  /** True: the attempt was at the guarded subset. False: at the one that it is compared with. */
  readonly isOwn: boolean;
}

export interface GuardsOptions extends GuardOptions {
  /** When the attempt that has just ended did so, monotonic milliseconds: cheaper than a clock. */
  readonly attemptNow: () => number;
}

/** The guards of one service in one client, shared by its channels. Synchronous; nothing here throws. */
export class Guards {
  readonly #options: GuardsOptions;
  readonly #guards = new Map<string, SubsetGuard>();
  /** By subset: the guards that count attempts at it. */
  #sides: ReadonlyMap<string, readonly Side[]> = new Map();

  constructor(options: GuardsOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#guards.size === 0;
  }

  /** Called when an attempt ends. It counts for the subset that it went to, whatever subset its call wanted. */
  attemptEnded(_wanted: string, served: string, outcome: Outcome, latencyMs: number): void {
    const sides = this.#sides.get(served);
    if (sides === undefined) return;
    const nowMs = this.#options.attemptNow();
    for (const { guard, isOwn } of sides) {
      if (isOwn) guard.ownEnded(outcome, latencyMs, nowMs);
      else guard.otherEnded(outcome, latencyMs, nowMs);
    }
  }

  /** Takes over a new plan. Guards that stay keep their counts; those that are gone restore their subset. */
  configure(subsets: ReadonlyMap<string, SubsetPlan>): void {
    for (const [name, guard] of this.#guards) {
      if (subsets.get(name)?.guard !== undefined) continue;
      this.#guards.delete(name);
      guard.dispose();
    }
    for (const [name, subset] of subsets) {
      const plan = subset.guard;
      if (plan === undefined) continue;
      const against = subsets.get(plan.against);
      const known = this.#guards.get(name);
      if (known === undefined) this.#guards.set(name, new SubsetGuard(subset, plan, against, this.#options));
      else known.configure(subset, plan, against);
    }
    this.#sides = this.#sidesOf();
  }

  views(): readonly GuardView[] {
    return [...this.#guards.values()].map((guard) => guard.view());
  }

  /** No timer stays, and `onChange` is not called. */
  close(): void {
    for (const guard of this.#guards.values()) guard.close();
    this.#guards.clear();
    this.#sides = new Map();
  }

  #sidesOf(): ReadonlyMap<string, readonly Side[]> {
    const sides = new Map<string, Side[]>();
    const add = (subset: string, side: Side): void => {
      sides.set(subset, [...(sides.get(subset) ?? []), side]);
    };
    for (const [name, guard] of this.#guards) {
      add(name, { guard, isOwn: true });
      add(guard.against, { guard, isOwn: false });
    }
    return sides;
  }
}
