import { ejectionLimit } from '../../breaker/ejection';

/**
 * An endpoint is deprioritized after so many slow answers, less those that are not slow. That adds up only where more
 * than half of the answers are slow. Of answers that vary alike everywhere, less than a fifth can be slower than five
 * times their mean.
 */
const STRIKES = 4;
/**
 * Or after so many, when it was not called for a while: other endpoints are preferred, and measuring brings it back
 * sooner.
 */
const STRIKES_UNASKED = 2;
const UNASKED_MS = 2_000;
/** Slow answers within this time count as one: a pause of either process makes many at once. */
const STRIKE_SPACING_MS = 100;
/** So many measuring calls in a row must be answered well before it is an endpoint like others again. */
const WELL_IN_A_ROW = 3;
const WELL_EVERY_MS = 500;
const FIRST_INTERVAL_MS = 2_000;
const MAX_INTERVAL_MS = 8_000;
/** Deprioritized again within this time, it is not called more often than it was before. */
const RELAPSE_MS = 60_000;
/** What is shorter than this may well be our own event loop's, however many times the usual it is. */
const SLOW_FLOOR_MS = 5;
/** Weight of a new sample in the mean. */
const ALPHA = 1 / 16;

/**
 * How fast an endpoint answers beside its peers. An endpoint that keeps answering slowly is *deprioritized*: left out
 * of the picks, except for a measuring call now and then, rarer the longer it lasts. A fading memory alone cannot keep
 * such an endpoint away: each time it has faded, some caller pays for finding out again.
 *
 * The endpoint's load feeds it with good answers, as multiples of what their methods usually take. The endpoint's pools
 * judge it on each tick. Times are monotonic milliseconds.
 */
export class LatencyOutlier {
  /** Changed by the judge only. */
  isDeprioritized = false;
  /** Of the last multiples or so, each counting alike; 0 without any. Unlike a peak it does not jump. */
  mean = 0;
  /** Which multiples are slow, as the judge sees it; none is until it has said. */
  limit: number = Number.POSITIVE_INFINITY;
  #samples = 0;
  #sampledAtMs = 0;
  #strikes = 0;
  #struckAtMs = Number.NEGATIVE_INFINITY;
  #wellInARow = 0;
  #intervalMs = FIRST_INTERVAL_MS;
  #dueAtMs = 0;
  #deprioritizedAtMs = 0;
  #restoredAtMs = Number.NEGATIVE_INFINITY;

  /**
   * A good answer came after `multiple` times its method's usual time. True: it was the quick answer to a measuring
   * call, so that the earlier slow ones no longer count.
   */
  sampled(multiple: number, tookMs: number, startedAtMs: number, nowMs: number): boolean {
    this.#samples += 1;
    this.#sampledAtMs = nowMs;
    this.mean += (multiple - this.mean) * Math.max(ALPHA, 1 / this.#samples);
    const isSlow = multiple > this.limit && tookMs >= SLOW_FLOOR_MS;
    if (!this.isDeprioritized) {
      this.#strike(isSlow, nowMs);
      return false;
    }
    // What began before says what is known already.
    if (startedAtMs < this.#deprioritizedAtMs) return false;
    this.#wellInARow = isSlow ? 0 : this.#wellInARow + 1;
    if (isSlow) this.#intervalMs = Math.min(2 * this.#intervalMs, MAX_INTERVAL_MS);
    this.#dueAtMs = nowMs + (isSlow ? this.#intervalMs : WELL_EVERY_MS);
    if (!isSlow) this.mean = multiple;
    return !isSlow;
  }

  /** Enough slow answers to be deprioritized for. */
  isOutlier(nowMs: number): boolean {
    if (this.isDeprioritized || this.#strikes < STRIKES_UNASKED) return false;
    return this.#strikes >= STRIKES || nowMs - this.#sampledAtMs >= UNASKED_MS;
  }

  /** Deprioritized, and enough good answers since. */
  get isCured(): boolean {
    return this.isDeprioritized && this.#wellInARow >= WELL_IN_A_ROW;
  }

  /** Deprioritized, and due for a measuring call. Asked in a pick; `nowMs` may lag by a tick. */
  isDue(nowMs: number): boolean {
    return this.isDeprioritized && nowMs >= this.#dueAtMs;
  }

  /** A pick has chosen it for a measuring call. Should that never start, the next one does. */
  offered(nowMs: number): void {
    this.#dueAtMs = nowMs + this.#intervalMs;
  }

  /** Called by the judge. */
  deprioritize(nowMs: number): void {
    if (nowMs - this.#restoredAtMs > RELAPSE_MS) this.#intervalMs = FIRST_INTERVAL_MS;
    this.isDeprioritized = true;
    this.#deprioritizedAtMs = nowMs;
    this.#dueAtMs = nowMs + this.#intervalMs;
    this.#wellInARow = 0;
  }

  /** Called by the judge. */
  restore(nowMs: number): void {
    this.isDeprioritized = false;
    this.#restoredAtMs = nowMs;
    this.#strikes = 0;
  }

  #strike(isSlow: boolean, nowMs: number): void {
    if (!isSlow) {
      this.#strikes = Math.max(0, this.#strikes - 1);
    } else if (nowMs - this.#struckAtMs >= STRIKE_SPACING_MS) {
      this.#struckAtMs = nowMs;
      this.#strikes = Math.min(STRIKES, this.#strikes + 1);
    }
  }
}

/**
 * Late is an answer after more than so many times its method's usual time. Up to this factor two endpoints count as
 * alike, too: nobody is called less because of noise.
 */
export const LATE_FACTOR = 3;
/** An endpoint is slow after so many late answers in a row as come about by chance once in 100,000 answers. */
const CHANCE = 1e-5;
const LEAST_IN_A_ROW = 2;
/** No more than a third of all answers can be late, of which so many in a row are rarer than that. */
const MOST_IN_A_ROW = 10;
/** Weight of an answer in the share of those that are late, once there are many. */
const LATE_ALPHA = 1 / 512;

/** How often answers of one method are late, over all endpoints. */
export class Lateness {
  /** Of a method that is not known yet, as of those whose answers vary a little. */
  #share = 0.05;
  #answers = 20;

  /** So many late answers in a row say that an endpoint is slow. */
  get needed(): number {
    const inARow = Math.ceil(Math.log(CHANCE) / Math.log(this.#share));
    return Math.min(Math.max(inARow, LEAST_IN_A_ROW), MOST_IN_A_ROW);
  }

  count(isLate: boolean): void {
    this.#answers += 1;
    this.#share += ((isLate ? 1 : 0) - this.#share) * Math.max(LATE_ALPHA, 1 / this.#answers);
  }
}

/**
 * Whether an endpoint is slow is said by several late answers in a row, each of a call that began a while after the one
 * before had ended. One is chance, and would keep calls away for many seconds. So are all that one pause of the
 * endpoint makes late, while it lasts and while the endpoint makes up for it.
 */
export class Witness {
  #lateInARow = 0;
  #isConfirmed = false;
  #last = 1;
  #former = 1;
  /** Calls that began before this say the same as the last answer. */
  #nextFromMs = Number.NEGATIVE_INFINITY;

  /** How slow an answer after `multiple` times its method's usual time says that the endpoint is; 1 when it is not. */
  confirmed(multiple: number, lateness: Lateness, startedAtMs: number, nowMs: number): number {
    const isLate = multiple > LATE_FACTOR;
    if (startedAtMs >= this.#nextFromMs) {
      this.#nextFromMs = nowMs + STRIKE_SPACING_MS;
      this.#former = this.#last;
      this.#last = multiple;
      this.#lateInARow = isLate ? this.#lateInARow + 1 : 0;
      this.#isConfirmed = isLate && this.#lateInARow >= lateness.needed;
      // What a slow endpoint does is not what is usual of the method.
      if (this.#lateInARow <= LEAST_IN_A_ROW) lateness.count(isLate);
    }
    return isLate && this.#isConfirmed ? Math.min(multiple, this.#former) : 1;
  }

  /** It is known by this answer alone. */
  restart(multiple: number): void {
    this.#lateInARow = 0;
    this.#isConfirmed = false;
    this.#last = multiple;
  }
}

/**
 * Slow is what takes so many times as long as half of the endpoints do, each call beside the usual time of its method.
 */
const SLOW_FACTOR = 5;
/** At most this share of the endpoints is deprioritized, but one in any case, and never all. */
const MAX_DEPRIORITIZED_PERCENTAGE = 50;

/**
 * Compares the endpoints of one pool with one another, and deprioritizes or restores some. True when it did. They are
 * measured against their median, which a few slow ones do not move. Failures are not counted.
 */
export function judgeLatencies(outliers: readonly LatencyOutlier[], nowMs: number): boolean {
  const known = outliers.filter((outlier) => outlier.mean > 0);
  if (known.length < 2) return false;
  const means = Float64Array.from(known, (outlier) => outlier.mean).sort();
  const limit = SLOW_FACTOR * (means[(means.length - 1) >> 1] as number);
  for (const outlier of outliers) outlier.limit = limit;

  const cured = known.filter((outlier) => outlier.isCured);
  for (const outlier of cured) outlier.restore(nowMs);
  const most = ejectionLimit(outliers.length, MAX_DEPRIORITIZED_PERCENTAGE);
  const deprioritized = known.filter((outlier) => outlier.isDeprioritized).sort(slowestFirst);
  const surplus = deprioritized.slice(most);
  for (const outlier of surplus) outlier.restore(nowMs);
  const room = Math.max(0, most - deprioritized.length);
  const lagging = room === 0 ? [] : known.filter((outlier) => outlier.isOutlier(nowMs)).sort(slowestFirst);
  for (const outlier of lagging.slice(0, room)) outlier.deprioritize(nowMs);
  return cured.length > 0 || surplus.length > 0 || lagging.length > 0;
}

function slowestFirst(a: LatencyOutlier, b: LatencyOutlier): number {
  return b.mean - a.mean;
}
