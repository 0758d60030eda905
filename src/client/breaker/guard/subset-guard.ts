import type { Clock } from '../../../base/clock';
import type { Random } from '../../../base/random';
import { ANY, evidenceAbove, evidenceNeeded, evidenceOfExcess } from '../../../base/sequential-test';
import type { GuardPlan, SubsetPlan } from '../../../policy/plan';
import type { Outcome } from '../outcome';
import { ResetSchedule } from '../reset-schedule';
import type { ForcedOpen } from '../view';
import { RollingCounts } from './rolling-counts';

/** Slowness shows in successes, which are many: the guard tests at each sixteenth. */
const TEST_EVERY = 16;
/**
 * A test costs up to 0.1 ms: the guard tests at a failure when a sixteenth of those counted is new since the last test.
 */
const TEST_SHARE = 1 / 16;

/**
 * The chance that a subset that is just as bad as it may be is ever found worse, however often it is tested. For a
 * subset that is no worse than the other the chance is far smaller: docs/decisions/0020 has the figures.
 */
const ALARM_RATE = 0.001;
const ALARM_AT: number = evidenceNeeded(ALARM_RATE);
const HALF = 0.5;

/** The state of a guard when it was asked for; plain data. */
export interface GuardView {
  /** The subset that it guards, and the one that it compares with. */
  readonly subset: string;
  /** The subset that it compares with. */
  readonly against: string;
  /** Attempts of the last window; none of the guarded subset's while it is shed. */
  readonly counts: GuardCounts;
  /** Attempts at the other subset in the last window. */
  readonly againstCounts: GuardCounts;
  /** True: it sheds nothing, and only logs when it would. */
  readonly isDryRun: boolean;
  /** While it sheds: milliseconds until it ends that. */
  readonly heldForMs: number | undefined;
  /** While it sheds: the reason, such as `guard: 12 of 40 failed, stable 3 of 900`. */
  readonly because: string | undefined;
  /** How often it has shed since the client was created. */
  readonly trips: number;
}

/** Attempts in the window of a guard. */
export interface GuardCounts {
  /** Those that succeeded or failed. */
  readonly calls: number;
  /** Those that failed. */
  readonly failures: number;
  /** Median time to the first response of those that succeeded; undefined where times are not compared, or none did. */
  readonly medianMs: number | undefined;
}

/** A guard sheds its subset, or restores it. */
export interface GuardChange {
  readonly subset: string;
  readonly event: 'shed' | 'restored';
  readonly isDryRun: boolean;
  readonly because: string;
  /** Milliseconds that it will shed for at most, or has shed for. */
  readonly heldForMs: number;
}

export interface GuardOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Sheds the subset in every datacenter, and ends that. */
  readonly breakers: { forceOpen(subset: string, forced: ForcedOpen): void; endForcedOpen(subset: string): void };
  /** Must not throw. */
  readonly onChange: (change: GuardChange) => void;
}

/**
 * Compares one subset with another by what this client sees of both, in all datacenters together. A subset that is
 * shown to be worse than it may be is shed for a while. Then it gets all of its share back and is judged afresh; if it
 * fails again soon after, it is shed for twice as long. Synchronous; one timer, which runs while it sheds.
 */
export class SubsetGuard {
  readonly #subset: string;
  readonly #options: GuardOptions;
  readonly #own: RollingCounts;
  readonly #other: RollingCounts;
  readonly #schedule: ResetSchedule;
  #plan: GuardPlan;
  /** Which instances the counts are of. */
  #ownSelection: string;
  #otherSelection: string;
  #shedding: { readonly because: string; readonly sinceMs: number; readonly isDryRun: boolean } | undefined;
  /** A trip before this time comes soon after the last one. */
  #inARowUntilMs = Number.NEGATIVE_INFINITY;
  #trips = 0;
  #untestedSuccesses = 0;
  #untestedFailures = 0;

  constructor(subset: SubsetPlan, plan: GuardPlan, against: SubsetPlan | undefined, options: GuardOptions) {
    const nowMs = options.clock.now();
    this.#subset = subset.name;
    this.#options = options;
    this.#plan = plan;
    this.#own = new RollingCounts(plan.windowMs, nowMs);
    this.#other = new RollingCounts(plan.windowMs, nowMs);
    this.#ownSelection = selectionOf(subset);
    this.#otherSelection = selectionOf(against);
    this.#schedule = new ResetSchedule(options.clock, options.random, () => this.#restore());
    this.#configureCounts(nowMs);
  }

  get against(): string {
    return this.#plan.against;
  }

  /** An attempt at the guarded subset has ended. */
  ownEnded(outcome: Outcome, latencyMs: number, nowMs: number): void {
    // While it is shed, only strict routes and forced calls reach it: they do not stand for the rest.
    if (this.#shedding !== undefined || outcome === 'neutral') return;
    if (outcome === 'success') {
      this.#own.succeeded(nowMs, latencyMs);
      if (this.#plan.maxLatencyFactor === undefined) return;
      this.#untestedSuccesses += 1;
      if (this.#untestedSuccesses < TEST_EVERY) return;
      this.#untestedSuccesses = 0;
      this.#other.turn(nowMs);
      this.#judge(tooSlow(this.#own, this.#other, this.#plan), nowMs);
    } else {
      this.#own.failed(nowMs);
      this.#untestedFailures += 1;
      if (this.#untestedFailures < TEST_SHARE * this.#own.failures) return;
      this.#untestedFailures = 0;
      this.#other.turn(nowMs);
      this.#judge(tooManyFailures(this.#own, this.#other, this.#plan), nowMs);
    }
  }

  /** An attempt at the subset that it is compared with has ended. */
  otherEnded(outcome: Outcome, latencyMs: number, nowMs: number): void {
    if (outcome === 'success') this.#other.succeeded(nowMs, latencyMs);
    else if (outcome !== 'neutral') this.#other.failed(nowMs);
  }

  /** Takes new rules, and keeps the counts of subsets that select the same instances as before. */
  configure(subset: SubsetPlan, plan: GuardPlan, against: SubsetPlan | undefined): void {
    const ownSelection = selectionOf(subset);
    const otherSelection = selectionOf(against);
    const was = this.#plan;
    this.#plan = plan;
    if (ownSelection !== this.#ownSelection) this.#forget();
    if (otherSelection !== this.#otherSelection) this.#other.clear();
    this.#ownSelection = ownSelection;
    this.#otherSelection = otherSelection;
    this.#configureCounts(this.#options.clock.now());
    // It may be too bad already by the new rules.
    this.#untestedFailures = this.#own.failures;
    if (this.#shedding === undefined) return;
    if (plan.dryRun !== was.dryRun) this.#restore();
    else this.#schedule.configure(boundsOf(plan));
  }

  view(): GuardView {
    const nowMs = this.#options.clock.now();
    this.#own.turn(nowMs);
    this.#other.turn(nowMs);
    return {
      subset: this.#subset,
      against: this.#plan.against,
      counts: viewOf(this.#own),
      againstCounts: viewOf(this.#other),
      isDryRun: this.#plan.dryRun,
      heldForMs: this.#shedding === undefined ? undefined : this.#schedule.dueInMs(nowMs),
      because: this.#shedding?.because,
      trips: this.#trips,
    };
  }

  /** Restores the subset at once. */
  dispose(): void {
    this.#forget();
  }

  /** The client is closed, and its breakers with it. */
  close(): void {
    this.#schedule.cancel();
    this.#shedding = undefined;
  }

  #judge(why: string | undefined, nowMs: number): void {
    if (why === undefined) return;
    const because = `guard: ${why}`;
    const isDryRun = this.#plan.dryRun;
    this.#shedding = { because, sinceMs: nowMs, isDryRun };
    this.#trips += 1;
    this.#schedule.opened(nowMs, nowMs < this.#inARowUntilMs, boundsOf(this.#plan));
    const dueInMs = (atMs: number): number => this.#schedule.dueInMs(atMs);
    this.#options.onChange({ subset: this.#subset, event: 'shed', isDryRun, because, heldForMs: dueInMs(nowMs) });
    if (!isDryRun) this.#options.breakers.forceOpen(this.#subset, { because, dueInMs });
  }

  /** The subset gets all of its share at once: with a part of it the next verdict would only take longer. */
  #restore(): void {
    const shedding = this.#shedding;
    if (shedding === undefined) return;
    const nowMs = this.#options.clock.now();
    const heldForMs = nowMs - shedding.sinceMs;
    this.#schedule.cancel();
    this.#shedding = undefined;
    this.#own.clear();
    this.#inARowUntilMs = nowMs + Math.max(heldForMs, this.#plan.windowMs);
    if (!shedding.isDryRun) this.#options.breakers.endForcedOpen(this.#subset);
    this.#options.onChange({
      subset: this.#subset,
      event: 'restored',
      isDryRun: shedding.isDryRun,
      because: shedding.because,
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

/** Why the subset is shown to fail more often than it may; undefined: it is not. */
function tooManyFailures(own: RollingCounts, other: RollingCounts, plan: GuardPlan): string | undefined {
  if (own.calls < plan.minimumCalls || other.calls === 0) return undefined;
  const margin = plan.maxExcessFailurePercentage / 100;
  // Most tests end here: evidence costs some microseconds.
  if (own.failures / own.calls <= other.failures / other.calls + margin) return undefined;
  const evidence = evidenceOfExcess(countsOf(own), countsOf(other), margin);
  if (evidence < ALARM_AT) return undefined;
  return `${own.failures} of ${own.calls} failed, ${plan.against} ${other.failures} of ${other.calls}`;
}

/**
 * Why the subset is shown to be slower than it may; undefined: it is not. A median above a limit means that more than
 * half of the attempts take longer, which is a share and can be tested as one. So can its excess over the other's share
 * beyond that limit: this second test keeps noise in the limit from counting against the subset.
 */
function tooSlow(own: RollingCounts, other: RollingCounts, plan: GuardPlan): string | undefined {
  const { maxLatencyFactor, minimumCalls } = plan;
  const ownTimes = own.latencies;
  const otherTimes = other.latencies;
  if (maxLatencyFactor === undefined || ownTimes === undefined || otherTimes === undefined) return undefined;
  if (ownTimes.count < minimumCalls || otherTimes.count < minimumCalls) return undefined;
  const otherMs = otherTimes.medianMs();
  const limitMs = maxLatencyFactor * otherMs;
  const slow = { calls: ownTimes.count, bad: ownTimes.slowerThan(limitMs) };
  if (slow.bad <= HALF * slow.calls || evidenceAbove(slow, HALF, ANY) < ALARM_AT) return undefined;
  const otherSlow = { calls: otherTimes.count, bad: otherTimes.slowerThan(limitMs) };
  if (evidenceOfExcess(slow, otherSlow, 0, ANY) < ALARM_AT) return undefined;
  return `half of ${ownTimes.count} took ${formatMs(ownTimes.medianMs())} or longer, ${plan.against} ${formatMs(otherMs)}`;
}

function countsOf({ calls, failures }: RollingCounts): { readonly calls: number; readonly bad: number } {
  return { calls, bad: failures };
}

function formatMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}
