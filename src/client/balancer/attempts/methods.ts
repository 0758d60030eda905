import type { Outcome } from '../../breaker/outcome';
import { MethodShares } from '../../breaker/outlier/usual-shares';
import type { Endpoint } from '../endpoints/endpoint';
import type { RoutedCall } from './routed-call';
/** Calls that take so long, in milliseconds, may well wait rather than work. */
export const LONG_MS = 300;
/** Methods remembered; a service has some dozens, and what makes names up must not fill the memory. The rest share one. */
const MOST_METHODS = 1_000;
/**
 * How long the mean remembers. By time and not by answers: an endpoint that turns slow answers many calls within moments, and
 * would else make its own time the usual one.
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

/**
 * How long one method usually takes, over all endpoints of its service: the mean of its good answers, or of how long its
 * streams lasted. What an endpoint is
 * blamed for, and what silence is measured against, are multiples of it.
 */
export class MethodTime {
  /** Milliseconds; 0 without an answer. */
  usualMs: number;
  /** Good answers so far. */
  answers = 0;
  #answeredAtMs = 0;
  /** Which share of its calls fails, over all endpoints. */
  readonly shares: MethodShares = new MethodShares();
  /**
   * A call of it brought a second message: it is a stream, though nobody has shown its definition. Set by attempts of
   * calls of unknown kind.
   */
  isStream = false;

  /** `usualMs`: for simulations that know it. */
  constructor(usualMs = 0) {
    this.usualMs = usualMs;
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

/** How long the methods of one service usually take, over all its endpoints. */
export class MethodTimes {
  readonly #times = new Map<string, MethodTime>();
  readonly #rest = new MethodTime();

  /** Called when an attempt starts, which keeps it to its end. */
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
}

/** Above so many ends the counts are halved, so that they tell of lately. */
const ENDS = 64;
/**
 * From this share of its ends on, and at more than one endpoint, ending without an answer is usual for a method. The higher
 * one holds where the endpoint answered nothing else meanwhile, as nobody may have asked it.
 */
const USUAL_SILENCE = 0.1;
const MOSTLY_SILENCE = 0.5;
/** A method that has been answered less often is not known to be answered. */
const KNOWN = 4;
/** A method that failed so often in a row, at more than one endpoint, is itself to blame. */
const FAILURES = 3;

interface MethodRecord {
  answers: number;
  silences: number;
  silentAt: Endpoint | undefined;
  /** Another endpoint at which it was silent before. */
  silentElsewhere: Endpoint | undefined;
  /** Since the last good answer of the method anywhere: failures with one code. */
  failures: number;
  code: number;
  failedAt: Endpoint | undefined;
  failedElsewhere: boolean;
  failedSinceMs: number;
}

/**
 * What the methods of one service do over all its endpoints. A method that ends without an answer, or fails, wherever it
 * goes, says nothing of an endpoint that answers other calls meanwhile: that is a long poll, or a method that is broken.
 * Allocates only where a method is met for the first time.
 */
export class MethodRecords {
  readonly #records = new Map<string, MethodRecord>();
  /** When any call was last answered well, at any endpoint. */
  #answeredAtMs = Number.NEGATIVE_INFINITY;

  /** A good answer came. */
  answered(method: string, endpoint: Endpoint, nowMs: number): void {
    endpoint.answeredAtMs = nowMs;
    this.#answeredAtMs = nowMs;
    const record = this.#of(method);
    if (record === undefined) return;
    record.failures = 0;
    record.answers += 1;
    if (record.answers + record.silences > ENDS) halve(record);
  }

  /**
   * An attempt that began at `startedAtMs` ended with nothing received. It says nothing where other calls have been answered
   * since and the method is known to end like this at several endpoints, or has hardly been answered. Where the endpoint itself
   * has answered since, it is a failure, and no silence: two long polls that end together are no endpoint that hangs.
   */
  silent(method: string, endpoint: Endpoint, startedAtMs: number): Outcome {
    const record = this.#of(method);
    if (record === undefined) return 'silent';
    const isHeard = endpoint.answeredAtMs >= startedAtMs;
    const isUsual = isUsuallySilent(record, endpoint, isHeard ? USUAL_SILENCE : MOSTLY_SILENCE);
    record.silences += 1;
    if (record.silentAt !== endpoint) record.silentElsewhere = record.silentAt;
    record.silentAt = endpoint;
    if (record.answers + record.silences > ENDS) halve(record);
    if (isUsual && this.#answeredAtMs >= startedAtMs) return 'neutral';
    return isHeard ? 'failure' : 'silent';
  }

  /**
   * The endpoint answered with a failure. It is the endpoint's, unless the method has failed with this code at several
   * endpoints, without a good answer anywhere, or was never answered well, and this endpoint has answered other calls meanwhile.
   */
  failed(method: string, endpoint: Endpoint, code: number, nowMs: number): Outcome {
    const record = this.#of(method);
    if (record === undefined) return 'failure';
    if (record.failures === 0 || record.code !== code) {
      record.failures = 1;
      record.code = code;
      record.failedAt = endpoint;
      record.failedElsewhere = false;
      record.failedSinceMs = nowMs;
      return 'failure';
    }
    record.failures += 1;
    if (record.failedAt !== endpoint) record.failedElsewhere = true;
    const isEverywhere = record.failures >= FAILURES && (record.failedElsewhere || record.answers < 1);
    return isEverywhere && endpoint.answeredAtMs > record.failedSinceMs ? 'neutral' : 'failure';
  }

  #of(method: string): MethodRecord | undefined {
    const known = this.#records.get(method);
    if (known !== undefined || this.#records.size >= MOST_METHODS) return known;
    const record: MethodRecord = {
      answers: 0,
      silences: 0,
      silentAt: undefined,
      silentElsewhere: undefined,
      failures: 0,
      code: 0,
      failedAt: undefined,
      failedElsewhere: false,
      failedSinceMs: 0,
    };
    this.#records.set(method, record);
    return record;
  }
}

function isUsuallySilent(record: MethodRecord, endpoint: Endpoint, share: number): boolean {
  const { answers, silences, silentAt, silentElsewhere } = record;
  if (answers < KNOWN) return true;
  const other = silentAt === endpoint ? silentElsewhere : silentAt;
  return other !== undefined && silences + 1 >= share * (answers + silences + 1);
}

function halve(record: MethodRecord): void {
  record.answers /= 2;
  record.silences /= 2;
  // A lone silence of long ago is no company.
  if (record.silences < 1) {
    record.silentAt = undefined;
    record.silentElsewhere = undefined;
  }
}

/**
 * Is it a stream, or may it be one? An upload too: it ends when its caller pleases. A call of unknown kind is taken for one
 * until its method has ended often enough with a single message, and never with more.
 */
export function isStreamCall({ kind }: RoutedCall, time: MethodTime): boolean {
  if (kind === undefined) return time.isStream || !time.isKnown;
  return kind !== 'unary';
}

/**
 * Is it counted among those that last, rather than among quick calls? Streams are, and calls that usually take long: whether
 * such a call works or waits nobody can tell, and one long poll must not turn quick calls away from its endpoint.
 */
export function lasts(call: RoutedCall, times: MethodTimes): boolean {
  const { kind } = call;
  if (kind !== undefined && kind !== 'unary') return true;
  const time = times.of(call.method);
  return time.isLong || isStreamCall(call, time);
}
