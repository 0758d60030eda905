import { resetDelayMs } from '../../../src/client/breaker/reset-schedule';
import type { BreakerPlan } from '../../../src/policy/plan';
import { LEASE_MS, noJitter } from '../../unit/client/breaker/fixture';

interface Attempt {
  readonly kind: 'counted' | 'probe' | 'bypass';
  /** Of counted ones: the closed period they began in. */
  readonly period: number;
  readonly beganAtMs: number;
  /** Undefined while it runs, and for good where it was lost. */
  verdict?: Verdict;
}

export type Verdict = 'success' | 'failure' | 'silent' | 'neutral';

function isFailure(verdict: Verdict | undefined): boolean {
  return verdict === 'failure' || verdict === 'silent';
}

/**
 * What an endpoint's breaker should do, written down as plainly as possible: every outcome is remembered with its time, nothing
 * is kept up to date in between.
 */
export class ReferenceBreaker {
  state: 'closed' | 'open' | 'halfOpen' = 'closed';
  readonly #plan: BreakerPlan;
  #period = 0;
  #outcomes: { readonly slice: number; readonly verdict: Verdict }[] = [];
  /** All counted ones of this period, as they began. */
  #attempts: Attempt[] = [];
  /** The failure that others may stand in a row with. */
  #first: { readonly attempt: Attempt; readonly endedAtMs: number } | undefined;
  #failedProbes = 0;
  #probeAtMs = 0;
  #probe: { readonly attempt: Attempt; readonly leaseUntilMs: number } | undefined;

  constructor(plan: BreakerPlan) {
    this.#plan = plan;
  }

  /** Time has passed. */
  at(nowMs: number): void {
    if (this.state === 'open' && nowMs >= this.#probeAtMs) this.state = 'halfOpen';
  }

  admits(nowMs: number): boolean {
    if (this.state === 'halfOpen') return this.#probe === undefined || nowMs >= this.#probe.leaseUntilMs;
    return this.state === 'closed';
  }

  begin(nowMs: number): Attempt {
    if (this.state === 'closed') {
      const counted: Attempt = { kind: 'counted', period: this.#period, beganAtMs: nowMs };
      this.#attempts.push(counted);
      return counted;
    }
    if (this.state === 'open' || !this.admits(nowMs)) return { kind: 'bypass', period: -1, beganAtMs: nowMs };
    const attempt: Attempt = { kind: 'probe', period: -1, beganAtMs: nowMs };
    this.#probe = { attempt, leaseUntilMs: nowMs + LEASE_MS };
    return attempt;
  }

  end(attempt: Attempt, verdict: Verdict, nowMs: number): void {
    if (attempt.kind === 'probe') this.#endProbe(attempt, verdict, nowMs);
    else if (attempt.kind === 'counted' && this.state === 'closed' && attempt.period === this.#period) {
      attempt.verdict = verdict;
      this.#count(attempt, verdict, nowMs);
    }
  }

  #endProbe(attempt: Attempt, verdict: Verdict, nowMs: number): void {
    if (this.#probe?.attempt !== attempt) return;
    this.#probe = undefined;
    if (verdict === 'success') {
      this.state = 'closed';
      this.#period += 1;
      this.#outcomes = [];
      this.#attempts = [];
      this.#first = undefined;
      this.#failedProbes = 0;
    } else if (verdict !== 'neutral') {
      this.#failedProbes += 1;
      this.#open(nowMs);
    }
  }

  #count(attempt: Attempt, verdict: Verdict, nowMs: number): void {
    if (verdict === 'neutral') return;
    if (verdict !== 'success') this.#first ??= { attempt, endedAtMs: nowMs };
    else if (this.#first !== undefined && attempt.beganAtMs >= this.#first.endedAtMs) this.#first = undefined;
    const slice = Math.floor(nowMs / (this.#plan.rollingCountTimeoutMs / 10));
    this.#outcomes.push({ slice, verdict });
    if (verdict !== 'success' && this.#isBad(slice)) this.#open(nowMs);
  }

  #isBad(slice: number): boolean {
    const { consecutiveFailures, silentFailures, volumeThreshold, errorThresholdPercentage } = this.#plan;
    if (silentFailures > 0 && this.#endsWith(silentFailures, (verdict) => verdict === 'silent')) return true;
    if (consecutiveFailures > 0 && this.#endsWith(consecutiveFailures, isFailure)) return true;
    const row = this.#row();
    if (consecutiveFailures > 0 && row.length >= consecutiveFailures && row.every(isFailure)) return true;
    const recent = this.#outcomes.filter((outcome) => outcome.slice > slice - 10);
    const failed = recent.filter((outcome) => outcome.verdict !== 'success');
    return recent.length >= volumeThreshold && (failed.length / recent.length) * 100 >= errorThresholdPercentage;
  }

  /** How those ended that began since the first failure, which is one of them. */
  #row(): (Verdict | undefined)[] {
    const first = this.#first;
    if (first === undefined) return [];
    const later = this.#attempts.filter(({ beganAtMs }) => beganAtMs > first.endedAtMs);
    return [first.attempt, ...later].map(({ verdict }) => verdict);
  }

  #endsWith(count: number, test: (verdict: Verdict) => boolean): boolean {
    const last = this.#outcomes.slice(-count);
    return last.length === count && last.every((outcome) => test(outcome.verdict));
  }

  #open(nowMs: number): void {
    this.state = 'open';
    this.#probeAtMs = nowMs + resetDelayMs(this.#failedProbes, this.#plan, noJitter);
  }
}
