import type { Outcome } from '../../breaker/outcome';
import type { Endpoint } from '../endpoints/endpoint';

/** Methods remembered; a service has some dozens, and what makes names up must not fill the memory. The rest is not judged. */
const MOST_METHODS = 1_000;
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
