import type { Outcome } from '../outcome';

/**
 * What an ended attempt says of its endpoint beside its peers. `failure`: as breakers count. `error`: the server
 * answered with an error that no breaker counts. `none`: nothing.
 */
export type PeerOutcome = 'good' | 'failure' | 'error' | 'none';

/** Which share is compared: failures alone, or answers with any error, failures included. */
export type ShareKind = 'failures' | 'errors';

/** One window of one endpoint, or of several added up. */
export interface ShareTally {
  calls: number;
  /** Failures, or errors of any kind. */
  bad: number;
  /** How many bad ones the same methods had on average at that time, over all endpoints. */
  expected: number;
  /** The most bad ones within one second: they may have one cause. */
  burst: number;
}

/** The usual shares of failures, and of errors, of one method over all endpoints. */
export interface UsualShares {
  readonly failures: number;
  readonly errors: number;
}

/**
 * Windows of 1 to 2 times these. Which one tells most depends on how often the endpoint is called: ten times a second,
 * or once in ten seconds. They begin at the same moments for all endpoints, so that a failure of the whole service
 * counts alike for all.
 */
const LENGTHS_MS: readonly number[] = [8_000, 40_000, 200_000, 1_000_000];
export const SCALES: number = LENGTHS_MS.length;
const BURST_MS = 1_000;
/** The last callers with a hash whose failures were counted: each counts once. */
const CALLERS = 16;
/** From so many attempts on, the time between them is known. */
const ENOUGH = 10;

const CALLS = 0;
const FAILURES = 1;
const ERRORS = 2;
const EXPECTED_FAILURES = 3;
const EXPECTED_ERRORS = 4;
const BURST_FAILURES = 5;
const BURST_ERRORS = 6;
const SLOTS = 7;

/** The first outcomes count as if so many good ones had come before. */
const HEAD_START = 20;
const LEAST_WEIGHT = 1 / 128;

const OK = 0;

/**
 * How many of one endpoint's attempts failed lately, in four windows. Counting and reading turn them by the time that
 * has passed, so no timer is needed. Times are monotonic milliseconds. Allocates at the first attempt only, and after
 * `clear`.
 */
export class FailureShares {
  /** When a bad outcome was counted last. */
  badAtMs: number = Number.NEGATIVE_INFINITY;
  /** An ejection before this comes soon after the last one. Set by the outlier detector. */
  relapseUntilMs: number = Number.NEGATIVE_INFINITY;
  /** Of each scale the current bucket, then the one before. */
  #buckets: Float64Array | undefined;
  readonly #indexes: number[] = LENGTHS_MS.map(() => 0);
  #turnAtMs = Number.NEGATIVE_INFINITY;
  #sinceMs = 0;
  #burstSinceMs = Number.NEGATIVE_INFINITY;
  #burstFailures = 0;
  #burstErrors = 0;
  #callers: Float64Array | undefined;
  #nextCaller = 0;

  /**
   * An attempt has ended. `hash`: of the call's caller, -1 without one. True: it was counted. The second failure of a
   * caller whose calls always come to this endpoint says little more than the first.
   */
  record(outcome: PeerOutcome, usual: UsualShares, hash: number, nowMs: number): boolean {
    if (outcome === 'none' || (outcome !== 'good' && hash >= 0 && !this.#isNewCaller(hash))) return false;
    if (nowMs >= this.#turnAtMs) this.turn(nowMs);
    const buckets = this.#buckets as Float64Array;
    add(buckets, CALLS, 1);
    add(buckets, EXPECTED_FAILURES, usual.failures);
    add(buckets, EXPECTED_ERRORS, usual.errors);
    if (outcome !== 'good') this.#recordBad(buckets, outcome === 'failure', nowMs);
    return true;
  }

  /** The last failure turned out to be the request's fault. */
  forgive(nowMs: number): void {
    this.turn(nowMs);
    const buckets = this.#buckets as Float64Array;
    if ((buckets[FAILURES] as number) < 1) return;
    add(buckets, CALLS, -1);
    add(buckets, FAILURES, -1);
    add(buckets, ERRORS, -1);
  }

  /** An attempt that was counted as good brought an answer that cannot be used. */
  recordUnusable(nowMs: number): void {
    this.turn(nowMs);
    this.#recordBad(this.#buckets as Float64Array, true, nowMs);
  }

  /** Adds the window of this scale to `sum`; its worst burst is the worse of the two. Call `turn` first. */
  addTo(sum: ShareTally, scale: number, kind: ShareKind): void {
    const buckets = this.#buckets;
    if (buckets === undefined) return;
    const isFailures = kind === 'failures';
    addBucket(sum, buckets, bucketOf(scale, 1), isFailures);
    for (let finer = 0; finer <= scale; finer += 1) addBucket(sum, buckets, bucketOf(finer, 0), isFailures);
  }

  /** Milliseconds from one counted attempt to the next, on average; Infinity where none was counted. */
  gapMs(nowMs: number): number {
    this.turn(nowMs);
    for (let scale = 0; scale < SCALES; scale += 1) {
      const tally = emptyTally();
      this.addTo(tally, scale, 'failures');
      if (tally.calls >= ENOUGH || scale === SCALES - 1) return this.#knownMs(scale, nowMs) / tally.calls;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** How many attempts of the last `lengthMs` went well, or brought an error that no breaker counts; an estimate. */
  wellWithin(lengthMs: number, nowMs: number): number {
    this.turn(nowMs);
    const enough = LENGTHS_MS.findIndex((windowMs) => 2 * windowMs >= lengthMs);
    const scale = enough === -1 ? SCALES - 1 : enough;
    const tally = emptyTally();
    this.addTo(tally, scale, 'failures');
    const perMs = (tally.calls - tally.bad) / Math.max(1, this.#knownMs(scale, nowMs));
    return Math.round(perMs * Math.min(lengthMs, nowMs - this.#sinceMs));
  }

  /** It is another endpoint from now on. */
  clear(): void {
    this.#buckets = undefined;
    this.#turnAtMs = Number.NEGATIVE_INFINITY;
    this.badAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Moves what has grown old into the longer windows. */
  turn(nowMs: number): void {
    if (nowMs < this.#turnAtMs) return;
    if (this.#buckets === undefined) {
      this.#buckets = new Float64Array(SCALES * 2 * SLOTS);
      this.#sinceMs = nowMs;
    }
    const buckets = this.#buckets;
    for (let scale = 0; scale < SCALES; scale += 1) {
      const index = Math.floor(nowMs / (LENGTHS_MS[scale] as number));
      const steps = index - (this.#indexes[scale] as number);
      if (steps === 0) break;
      const current = bucketOf(scale, 0);
      const previous = bucketOf(scale, 1);
      if (scale + 1 < SCALES) merge(buckets, current, bucketOf(scale + 1, 0));
      if (steps === 1) buckets.copyWithin(previous, current, current + SLOTS);
      else buckets.fill(0, previous, previous + SLOTS);
      buckets.fill(0, current, current + SLOTS);
      this.#indexes[scale] = index;
    }
    this.#turnAtMs = ((this.#indexes[0] as number) + 1) * (LENGTHS_MS[0] as number);
  }

  /** For how long the window of this scale has counted. */
  #knownMs(scale: number, nowMs: number): number {
    const fromMs = ((this.#indexes[scale] as number) - 1) * (LENGTHS_MS[scale] as number);
    return nowMs - Math.max(fromMs, this.#sinceMs);
  }

  #recordBad(buckets: Float64Array, isFailure: boolean, nowMs: number): void {
    this.badAtMs = nowMs;
    if (nowMs - this.#burstSinceMs >= BURST_MS) {
      this.#burstSinceMs = nowMs;
      this.#burstFailures = 0;
      this.#burstErrors = 0;
    }
    add(buckets, ERRORS, 1);
    this.#burstErrors += 1;
    buckets[BURST_ERRORS] = Math.max(buckets[BURST_ERRORS] as number, this.#burstErrors);
    if (!isFailure) return;
    add(buckets, FAILURES, 1);
    this.#burstFailures += 1;
    buckets[BURST_FAILURES] = Math.max(buckets[BURST_FAILURES] as number, this.#burstFailures);
  }

  #isNewCaller(hash: number): boolean {
    this.#callers ??= new Float64Array(CALLERS).fill(-1);
    if (this.#callers.includes(hash)) return false;
    this.#callers[this.#nextCaller] = hash;
    this.#nextCaller = (this.#nextCaller + 1) % CALLERS;
    return true;
  }
}

/**
 * What an attempt says of its endpoint beside its peers. An endpoint that asks for fewer calls is no outlier for that.
 */
export function peerOutcomeOf(outcome: Outcome, code: number): PeerOutcome {
  if (outcome === 'neutral' || outcome === 'less') return 'none';
  if (outcome !== 'success') return 'failure';
  return code === OK ? 'good' : 'error';
}

/** How calls of one method end lately, over all endpoints of its service. */
export class MethodShares implements UsualShares {
  failures = 0;
  errors = 0;
  #ends = HEAD_START;

  ended(outcome: PeerOutcome): void {
    if (outcome === 'none') return;
    this.#ends += 1;
    const weight = Math.max(1 / this.#ends, LEAST_WEIGHT);
    this.failures += ((outcome === 'failure' ? 1 : 0) - this.failures) * weight;
    this.errors += ((outcome === 'good' ? 0 : 1) - this.errors) * weight;
  }
}

export function emptyTally(): ShareTally {
  return { calls: 0, bad: 0, expected: 0, burst: 0 };
}

/** Where the current bucket of a scale begins, or the one before it. The current one of the finest scale is at 0. */
function bucketOf(scale: number, age: 0 | 1): number {
  return (2 * scale + age) * SLOTS;
}

function add(buckets: Float64Array, slot: number, amount: number): void {
  buckets[slot] = (buckets[slot] as number) + amount;
}

function addBucket(sum: ShareTally, buckets: Float64Array, at: number, isFailures: boolean): void {
  sum.calls += buckets[at + CALLS] as number;
  sum.bad += buckets[at + (isFailures ? FAILURES : ERRORS)] as number;
  sum.expected += buckets[at + (isFailures ? EXPECTED_FAILURES : EXPECTED_ERRORS)] as number;
  sum.burst = Math.max(sum.burst, buckets[at + (isFailures ? BURST_FAILURES : BURST_ERRORS)] as number);
}

function merge(buckets: Float64Array, from: number, into: number): void {
  for (let slot = 0; slot < SLOTS; slot += 1) {
    const value = buckets[from + slot] as number;
    const at = into + slot;
    buckets[at] = slot < BURST_FAILURES ? (buckets[at] as number) + value : Math.max(buckets[at] as number, value);
  }
}
