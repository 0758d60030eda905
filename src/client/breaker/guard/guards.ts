import type { SubsetPlan } from '../../../policy/plan';
import type { Outcome } from '../outcome';
import { type GuardDeps, SubsetGuard } from './subset-guard';
import type { GuardView } from './view';

interface Side {
  readonly guard: SubsetGuard;
  /** The guarded one; else the one that it is compared with. */
  readonly isOwn: boolean;
}

export interface GuardsDeps extends GuardDeps {
  /** The time of the attempt that is told of, monotonic milliseconds: cheaper than a clock. */
  readonly attemptNow: () => number;
}

/** The guards of one service in one Graylane client, shared by its channels. Synchronous; nothing here throws. */
export class Guards {
  readonly #deps: GuardsDeps;
  readonly #guards = new Map<string, SubsetGuard>();
  /** Whom an attempt at a subset concerns. */
  #sides: ReadonlyMap<string, readonly Side[]> = new Map();

  constructor(deps: GuardsDeps) {
    this.#deps = deps;
  }

  get isEmpty(): boolean {
    return this.#guards.size === 0;
  }

  /** Called for each attempt that started and ended. An attempt says something of the subset that it went to, wherever its call wanted to go. */
  attemptEnded(_wanted: string, served: string, outcome: Outcome, latencyMs: number): void {
    const sides = this.#sides.get(served);
    if (sides === undefined) return;
    const nowMs = this.#deps.attemptNow();
    for (const { guard, isOwn } of sides) {
      if (isOwn) guard.ownEnded(outcome, latencyMs, nowMs);
      else guard.otherEnded(outcome, latencyMs, nowMs);
    }
  }

  /** Takes over a new plan: guards that stay keep their counts, those that are gone let go. */
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
      if (known === undefined) this.#guards.set(name, new SubsetGuard(subset, plan, against, this.#deps));
      else known.configure(subset, plan, against);
    }
    this.#sides = this.#sidesOf();
  }

  views(): readonly GuardView[] {
    return [...this.#guards.values()].map((guard) => guard.view());
  }

  /** No timer stays, and nobody is told. */
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
