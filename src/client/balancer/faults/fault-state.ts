import { statusCodeOf } from '../../../base/status-names';
import type { FaultPlan } from '../../../policy/plan';
import { RollingCounts } from '../../breaker/guard/rolling-counts';

/** How far back a fault is judged. */
const WINDOW_MS = 10_000;

/** What became of a call that a fault concerns. */
export type FaultedCall =
  /** It failed for its caller, whether or not the fault had hit it. */
  | 'failed'
  /** An attempt of it was hit, and another one in the subset that was wanted answered. */
  | 'savedByRetry'
  /** An attempt of it was hit, and another subset answered. */
  | 'savedByFallback'
  /** Breakers kept it from where the fault is, and another subset or datacenter answered. */
  | 'savedByBreaker'
  /** The attempt that answered it was hit, and late. */
  | 'delayed'
  /** Nothing of it was hit. */
  | 'untouched';

/** A fault of the policy as one client sees it, for `inspect()`. */
export interface FaultView {
  /** Its name; of a route's `route NAME`. */
  readonly name: string;
  /** RFC 3339. */
  readonly until: string;
  /** `stopped`: by `stopAbove`, in this client. */
  readonly state: 'in force' | 'ended' | 'stopped';
  /** Why it was stopped. */
  readonly stoppedBecause: string | undefined;
  /** Attempts that it hit. */
  readonly hitAttempts: number;
  /** Calls that have ended, of those that it concerns: its match holds. */
  readonly calls: number;
  /** Of those calls: an attempt was hit. */
  readonly hitCalls: number;
  /** Of all these calls: failed for their callers, whatever the cause. */
  readonly failed: number;
  /** Of the calls that were hit: failed for their callers. */
  readonly hitAndFailed: number;
  /** Of the calls that were hit: a further attempt in the subset that was wanted answered. */
  readonly savedByRetry: number;
  /** Of the calls that were hit: another subset answered. */
  readonly savedByFallback: number;
  /** Of the calls that were not hit: breakers kept them from where the fault is, and they were answered. */
  readonly savedByBreaker: number;
  /** Of the calls that were hit: answered, and late by `delayMs`. */
  readonly delayed: number;
}

/** One fault in one client. Survives changes of the policy that keep its name and its `until`. */
export class FaultState {
  plan: FaultPlan;
  /** What an attempt that it hits ends with; -1: it goes to its server. */
  code: number;
  /** Undefined while it is not stopped. */
  stoppedBecause: string | undefined = undefined;
  hitAttempts = 0;
  hitCalls = 0;
  hitAndFailed = 0;
  readonly counts: Record<FaultedCall, number> = {
    failed: 0,
    savedByRetry: 0,
    savedByFallback: 0,
    savedByBreaker: 0,
    delayed: 0,
    untouched: 0,
  };
  readonly #window: RollingCounts;

  constructor(plan: FaultPlan, nowMs: number) {
    this.plan = plan;
    this.code = codeOf(plan);
    this.#window = new RollingCounts(WINDOW_MS, nowMs);
  }

  configure(plan: FaultPlan): void {
    this.plan = plan;
    this.code = codeOf(plan);
  }

  /** One attempt at `subset` in `place` begins: is it hit? */
  hits(subset: string, place: string, random: () => number, wallNowMs: number): boolean {
    const { in: only, place: onlyPlace, percent, untilMs } = this.plan;
    if (this.stoppedBecause !== undefined || wallNowMs >= untilMs) return false;
    if ((only !== undefined && only !== subset) || (onlyPlace !== undefined && onlyPlace !== place)) return false;
    return random() * 100 < percent;
  }

  /** A call that it concerns has ended. True: it is stopped by that. */
  ended(became: FaultedCall, wasHit: boolean, nowMs: number): boolean {
    this.counts[became] += 1;
    if (wasHit) this.hitCalls += 1;
    if (wasHit && became === 'failed') this.hitAndFailed += 1;
    if (became === 'failed') this.#window.failed(nowMs);
    else this.#window.succeeded(nowMs, 0);
    const { stopAbove } = this.plan;
    if (stopAbove === undefined || this.stoppedBecause !== undefined || became !== 'failed') return false;
    const { calls, failures } = this.#window;
    const share = (failures / calls) * 100;
    if (calls < stopAbove.minimumCalls || share <= stopAbove.failedPercentage) return false;
    const most = `stopAbove.failedPercentage is ${stopAbove.failedPercentage}`;
    this.stoppedBecause = `${failures} of ${calls} calls failed in 10 s (${share.toFixed(1)} %; ${most})`;
    return true;
  }

  view(wallNowMs: number): FaultView {
    const { counts, hitAttempts, hitCalls, hitAndFailed, plan, stoppedBecause } = this;
    const { failed, untouched, ...others } = counts;
    const isOver = wallNowMs >= plan.untilMs;
    return {
      name: plan.name,
      until: plan.until,
      state: stoppedBecause !== undefined ? 'stopped' : isOver ? 'ended' : 'in force',
      stoppedBecause,
      hitAttempts,
      calls: Object.values(counts).reduce((sum, count) => sum + count, 0),
      hitCalls,
      failed,
      hitAndFailed,
      ...others,
    };
  }
}

/** What is known of one call that faults concern. */
export class FaultedCallRecord {
  readonly states: readonly FaultState[];
  readonly hitBy: Set<FaultState> = new Set();
  /** Of the attempt that ended last: the subset that it went to, and whether it was hit. */
  servedBy = '';
  isServedByHit = false;

  constructor(states: readonly FaultState[]) {
    this.states = states;
  }
}

function codeOf({ abort }: FaultPlan): number {
  return abort === undefined ? -1 : (statusCodeOf(abort) ?? -1);
}
