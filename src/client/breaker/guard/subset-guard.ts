import type { Clock } from '../../../base/clock';
import type { Random } from '../../../base/random';
import type { GuardPlan, SubsetPlan } from '../../../policy/plan';
import type { Hold } from '../hold';
import type { Outcome } from '../outcome';
import { ResetSchedule } from '../reset-schedule';
import { RollingCounts } from './rolling-counts';
import { tooManyFailures, tooSlow } from './verdict';
import type { GuardChange, GuardCounts, GuardView } from './view';

/** Slowness shows in attempts that go well, of which there are many: each sixteenth is a reason to look. */
const LOOK_EVERY = 16;
/** Weighing costs up to 0.1 ms: a failure is a reason to look when a sixteenth of those counted has not been looked at. */
const LOOK_SHARE = 1 / 16;

export interface GuardDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** What sheds the subset in every datacenter, and takes that back. */
  readonly breakers: { hold(subset: string, hold: Hold): void; letGo(subset: string): void };
  /** Must not throw. */
  readonly changed: (change: GuardChange) => void;
}

/**
 * Compares one subset with another by what this client sees of both, in all datacenters together. A subset that is shown to be worse
 * than it may be is shed for a while; then it has all of its share back and is judged afresh, and one that fails again soon after is shed
 * for twice as long. Synchronous; the one timer runs while it sheds.
 */
export class SubsetGuard {
  readonly #subset: string;
  readonly #deps: GuardDeps;
  readonly #own: RollingCounts;
  readonly #other: RollingCounts;
  readonly #schedule: ResetSchedule;
  #plan: GuardPlan;
  /** Which instances are meant: counts of others would say nothing of them. */
  #ownSelection: string;
  #otherSelection: string;
  #hold: { readonly because: string; readonly sinceMs: number; readonly isDryRun: boolean } | undefined;
  /** A trip before this comes soon after the last one. */
  #inARowUntilMs = Number.NEGATIVE_INFINITY;
  #trips = 0;
  #unseenSuccesses = 0;
  #unseenFailures = 0;

  constructor(subset: SubsetPlan, plan: GuardPlan, against: SubsetPlan | undefined, deps: GuardDeps) {
    const nowMs = deps.clock.now();
    this.#subset = subset.name;
    this.#deps = deps;
    this.#plan = plan;
    this.#own = new RollingCounts(plan.windowMs, nowMs);
    this.#other = new RollingCounts(plan.windowMs, nowMs);
    this.#ownSelection = selectionOf(subset);
    this.#otherSelection = selectionOf(against);
    this.#schedule = new ResetSchedule(deps.clock, deps.random, () => this.#restore());
    this.#configureCounts(nowMs);
  }

  get against(): string {
    return this.#plan.against;
  }

  /** An attempt at the guarded subset has ended. */
  ownEnded(outcome: Outcome, latencyMs: number, nowMs: number): void {
    // What strict routes and forced calls meet meanwhile is not what would meet those that come back.
    if (this.#hold !== undefined || outcome === 'neutral') return;
    if (outcome === 'success') {
      this.#own.succeeded(nowMs, latencyMs);
      if (this.#plan.maxLatencyFactor === undefined) return;
      this.#unseenSuccesses += 1;
      if (this.#unseenSuccesses < LOOK_EVERY) return;
      this.#unseenSuccesses = 0;
      this.#other.turn(nowMs);
      this.#judge(tooSlow(this.#own, this.#other, this.#plan), nowMs);
    } else {
      this.#own.failed(nowMs);
      this.#unseenFailures += 1;
      if (this.#unseenFailures < LOOK_SHARE * this.#own.failures) return;
      this.#unseenFailures = 0;
      this.#other.turn(nowMs);
      this.#judge(tooManyFailures(this.#own, this.#other, this.#plan), nowMs);
    }
  }

  /** An attempt at the subset that it is compared with has ended. */
  otherEnded(outcome: Outcome, latencyMs: number, nowMs: number): void {
    if (outcome === 'success') this.#other.succeeded(nowMs, latencyMs);
    else if (outcome !== 'neutral') this.#other.failed(nowMs);
  }

  /** Takes new numbers and keeps what it counted, as long as it was counted of the same instances. */
  configure(subset: SubsetPlan, plan: GuardPlan, against: SubsetPlan | undefined): void {
    const ownSelection = selectionOf(subset);
    const otherSelection = selectionOf(against);
    const was = this.#plan;
    this.#plan = plan;
    if (ownSelection !== this.#ownSelection) this.#forget();
    if (otherSelection !== this.#otherSelection) this.#other.clear();
    this.#ownSelection = ownSelection;
    this.#otherSelection = otherSelection;
    this.#configureCounts(this.#deps.clock.now());
    // By the new numbers it may be too bad already.
    this.#unseenFailures = this.#own.failures;
    if (this.#hold === undefined) return;
    if (plan.dryRun !== was.dryRun) this.#restore();
    else this.#schedule.configure(boundsOf(plan));
  }

  view(): GuardView {
    const nowMs = this.#deps.clock.now();
    this.#own.turn(nowMs);
    this.#other.turn(nowMs);
    return {
      subset: this.#subset,
      against: this.#plan.against,
      counts: viewOf(this.#own),
      againstCounts: viewOf(this.#other),
      isDryRun: this.#plan.dryRun,
      heldForMs: this.#hold === undefined ? undefined : this.#schedule.dueInMs(nowMs),
      because: this.#hold?.because,
      trips: this.#trips,
    };
  }

  /** Lets go at once and forgets. */
  dispose(): void {
    this.#forget();
  }

  /** The Graylane client is closed, and its breakers with it. */
  close(): void {
    this.#schedule.cancel();
    this.#hold = undefined;
  }

  #judge(why: string | undefined, nowMs: number): void {
    if (why === undefined) return;
    const because = `guard: ${why}`;
    const isDryRun = this.#plan.dryRun;
    this.#hold = { because, sinceMs: nowMs, isDryRun };
    this.#trips += 1;
    this.#schedule.opened(nowMs, nowMs < this.#inARowUntilMs, boundsOf(this.#plan));
    const dueInMs = (atMs: number): number => this.#schedule.dueInMs(atMs);
    this.#deps.changed({ subset: this.#subset, event: 'shed', isDryRun, because, heldForMs: dueInMs(nowMs) });
    if (!isDryRun) this.#deps.breakers.hold(this.#subset, { because, dueInMs });
  }

  /** All of its share at once: a part of it would only take longer to tell. */
  #restore(): void {
    const hold = this.#hold;
    if (hold === undefined) return;
    const nowMs = this.#deps.clock.now();
    const heldForMs = nowMs - hold.sinceMs;
    this.#schedule.cancel();
    this.#hold = undefined;
    this.#own.clear();
    this.#inARowUntilMs = nowMs + Math.max(heldForMs, this.#plan.windowMs);
    if (!hold.isDryRun) this.#deps.breakers.letGo(this.#subset);
    this.#deps.changed({
      subset: this.#subset,
      event: 'restored',
      isDryRun: hold.isDryRun,
      because: hold.because,
      heldForMs,
    });
  }

  #forget(): void {
    this.#restore();
    this.#own.clear();
    this.#inARowUntilMs = Number.NEGATIVE_INFINITY;
  }

  #configureCounts(nowMs: number): void {
    const { windowMs, maxLatencyFactor } = this.#plan;
    this.#own.configure(windowMs, maxLatencyFactor !== undefined, nowMs);
    this.#other.configure(windowMs, maxLatencyFactor !== undefined, nowMs);
  }
}

function boundsOf({ holdMs, maxHoldMs }: GuardPlan): { resetTimeoutMs: number; maxResetTimeoutMs: number } {
  return { resetTimeoutMs: holdMs, maxResetTimeoutMs: maxHoldMs };
}

function selectionOf(subset: SubsetPlan | undefined): string {
  return JSON.stringify([subset?.name, subset?.tags, subset?.meta, subset?.filter]);
}

function viewOf({ calls, failures, latencies }: RollingCounts): GuardCounts {
  const isTimed = latencies !== undefined && latencies.count > 0;
  return { calls, failures, medianMs: isTimed ? latencies.medianMs() : undefined };
}
