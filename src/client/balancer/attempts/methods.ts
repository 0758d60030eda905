import type { CallKind } from '../../../policy/routing/call';
import type { Outcome } from '../../breaker/outcome';
import { MethodShares } from '../../breaker/outlier/failure-shares';
import { Lateness } from '../endpoints/latency-outlier';

/** Calls that take so long, in milliseconds, may well wait rather than work. */
export const LONG_MS = 300;
/**
 * Methods remembered; a service has some dozens, and what makes names up must not fill the memory. The rest share one.
 */
const MOST_METHODS = 1_000;
/**
 * How long the mean remembers. By time and not by answers: an endpoint that turns slow answers many calls within
 * moments, and would else make its own time the usual one.
 */
const MEAN_TAU_MS = 30_000;
/** Weight of one answer at most, once there are many. */
const MOST_WEIGHT = 1 / 16;
/** One answer counts for so many times the mean at most: an outlier must not become what is usual. */
const MOST_AT_ONCE = 10;
/** So many answers, and the mean says something. */
const ENOUGH = 20;
const LIMIT_FACTOR = 10;
const LIMIT_FLOOR_MS = 100;
/** Above so many ends the counts are halved, so that they tell of lately. */
const ENDS = 64;
/**
 * From this share of its ends on, and at more than one endpoint, ending without an answer is usual for a method. The
 * higher one holds where the endpoint answered nothing else meanwhile, as nobody may have asked it.
 */
const USUAL_SILENCE = 0.1;
const MOSTLY_SILENCE = 0.5;
/** A method that has been answered less often is not known to be answered. */
const KNOWN = 4;
/** The same at an endpoint that answers meanwhile: the first silences of a long poll fall on one by chance. */
const WELL_KNOWN = 12;
/** A method that failed so often in a row, at more than one endpoint, is itself to blame. */
const FAILURES = 3;

/**
 * How long one method usually takes, over all endpoints of its service: the mean of its good answers, or of how long
 * its streams lasted. What an endpoint is blamed for, and what silence is measured against, are multiples of it.
 */
export class MethodTime {
  /** Milliseconds; 0 without an answer. */
  usualMs: number;
  /** Good answers so far. */
  answers = 0;
  #answeredAtMs = 0;
  readonly lateness: Lateness = new Lateness();
  /** Which share of its calls fails, over all endpoints. */
  readonly shares: MethodShares = new MethodShares();
  /**
   * A call of it brought a second message: it is a stream, though nobody has shown its definition. Set by attempts of
   * calls of unknown kind.
   */
  isStream = false;
  /** The same, of lately. */
  good = 0;
  silences = 0;
  silentAt: AnsweringEndpoint | undefined = undefined;
  /** Another endpoint at which it was silent before. */
  silentElsewhere: AnsweringEndpoint | undefined = undefined;
  /** Since the last good answer of the method anywhere: failures with one code. */
  failures = 0;
  code = 0;
  failedAt: AnsweringEndpoint | undefined = undefined;
  failedElsewhere = false;
  failedSinceMs = 0;
  /** Methods beyond the limit share one time, and are not judged. */
  readonly isJudged: boolean;

  /** `usualMs`: for simulations that know it. */
  constructor(usualMs = 0, isJudged = true) {
    this.usualMs = usualMs;
    this.isJudged = isJudged;
  }

  /** A good answer came after `elapsedMs`. */
  answered(elapsedMs: number, nowMs: number): void {
    const sinceMs = nowMs - this.#answeredAtMs;
    this.#answeredAtMs = nowMs;
    this.answers += 1;
    if (this.answers === 1) {
      this.usualMs = elapsedMs;
      return;
    }
    const counted = Math.min(elapsedMs, Math.max(MOST_AT_ONCE * this.usualMs, 1));
    this.usualMs += (counted - this.usualMs) * Math.max(1 / this.answers, Math.min(sinceMs / MEAN_TAU_MS, MOST_WEIGHT));
  }

  countEnd(): void {
    if (this.good + this.silences <= ENDS) return;
    this.good /= 2;
    this.silences /= 2;
    // A lone silence of long ago is no company.
    if (this.silences < 1) {
      this.silentAt = undefined;
      this.silentElsewhere = undefined;
    }
  }

  /** It usually takes 300 ms or more. */
  get isLong(): boolean {
    return this.usualMs >= LONG_MS;
  }

  /** Enough answers are known to say what is usual. */
  get isKnown(): boolean {
    return this.answers >= ENOUGH;
  }

  /** How long an attempt may take: ten times the mean, at least 100 ms. Undefined while too few answers are known. */
  get attemptLimitMs(): number | undefined {
    return this.isKnown ? Math.max(LIMIT_FLOOR_MS, LIMIT_FACTOR * this.usualMs) : undefined;
  }
}

/** A method's time as `inspect()` shows it. */
export interface MethodTimeView {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Mean time of its good answers in milliseconds, over all endpoints; of a stream's, from its start to its end. */
  readonly usualMs: number;
  /** Good answers so far. */
  readonly answers: number;
}

/** What is read and written of an endpoint. */
interface AnsweringEndpoint {
  /** When it last answered a call well. */
  answeredAtMs: number;
}

/**
 * The methods of one service: how long each usually takes, and what each does over all endpoints. A method that ends
 * without an answer, or fails, wherever it goes, says nothing of an endpoint that answers other calls meanwhile: that
 * is a long poll, or a method that is broken. Allocates only where a method is met for the first time.
 */
export class Methods {
  readonly #times = new Map<string, MethodTime>();
  readonly #rest = new MethodTime(0, false);
  /** When any call was last answered well, at any endpoint. */
  #answeredAtMs = Number.NEGATIVE_INFINITY;

  /** Called once a call, which keeps what is returned. */
  of(method: string): MethodTime {
    let time = this.#times.get(method);
    if (time === undefined) {
      if (this.#times.size >= MOST_METHODS) return this.#rest;
      time = new MethodTime();
      this.#times.set(method, time);
    }
    return time;
  }

  /** Those that were answered most often, at most `limit`. */
  views(limit: number): MethodTimeView[] {
    return [...this.#times]
      .filter(([, { answers }]) => answers > 0)
      .sort(([, a], [, b]) => b.answers - a.answers)
      .slice(0, limit)
      .map(([method, { usualMs, answers }]) => ({ method, usualMs, answers }));
  }

  /** A good answer came. */
  answered(time: MethodTime, endpoint: AnsweringEndpoint, nowMs: number): void {
    endpoint.answeredAtMs = nowMs;
    this.#answeredAtMs = nowMs;
    time.failures = 0;
    time.good += 1;
    time.countEnd();
  }

  /**
   * An attempt that began at `startedAtMs` ended with nothing received. It says nothing where other calls have been
   * answered since, and the method is known to end like this at several endpoints or has hardly been answered. Where
   * the endpoint itself has answered since, it is a failure and no silence: two long polls that end together are no
   * endpoint that hangs.
   */
  silent(time: MethodTime, endpoint: AnsweringEndpoint, startedAtMs: number): Outcome {
    if (!time.isJudged) return 'silent';
    const hasAnswered = endpoint.answeredAtMs >= startedAtMs;
    const isUsual = hasAnswered
      ? isUsuallySilent(time, endpoint, WELL_KNOWN, USUAL_SILENCE)
      : isUsuallySilent(time, endpoint, KNOWN, MOSTLY_SILENCE);
    time.silences += 1;
    if (time.silentAt !== endpoint) time.silentElsewhere = time.silentAt;
    time.silentAt = endpoint;
    time.countEnd();
    if (isUsual && this.#answeredAtMs >= startedAtMs) return 'neutral';
    return hasAnswered ? 'failure' : 'silent';
  }

  /**
   * The endpoint answered with a failure. That is the endpoint's failure, with one exception: the method failed with
   * this code at several endpoints without a good answer anywhere, or was never answered well, and this endpoint has
   * answered other calls meanwhile.
   */
  failed(time: MethodTime, endpoint: AnsweringEndpoint, code: number, nowMs: number): Outcome {
    if (!time.isJudged) return 'failure';
    if (time.failures === 0 || time.code !== code) {
      time.failures = 1;
      time.code = code;
      time.failedAt = endpoint;
      time.failedElsewhere = false;
      time.failedSinceMs = nowMs;
      return 'failure';
    }
    time.failures += 1;
    if (time.failedAt !== endpoint) time.failedElsewhere = true;
    const isEverywhere = time.failures >= FAILURES && (time.failedElsewhere || time.good < 1);
    return isEverywhere && endpoint.answeredAtMs > time.failedSinceMs ? 'neutral' : 'failure';
  }
}

function isUsuallySilent(time: MethodTime, endpoint: AnsweringEndpoint, known: number, share: number): boolean {
  const { good, silences, silentAt, silentElsewhere } = time;
  if (good < known) return true;
  const other = silentAt === endpoint ? silentElsewhere : silentAt;
  return other !== undefined && silences + 1 >= share * (good + silences + 1);
}

/**
 * Is a call of this kind a stream, or may it be one? An upload too: it ends when its caller pleases. A call of unknown
 * kind is taken for a stream until its method has ended often enough with a single message, and never with more.
 */
export function isStreamCall(kind: CallKind | undefined, time: MethodTime): boolean {
  if (kind === undefined) return time.isStream || !time.isKnown;
  return kind !== 'unary';
}
