import { type ConsulAnswer, type ConsulRequest, waitMsOf } from '../../../consul/request';

/** One read as it goes from a process to the one that asks Consul for all. No token: both sides hold the same. */
export interface HostAsk {
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  /** Without `index`; with `wait`. */
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  /** Decimal; undefined: a plain read, which Consul answers at once. */
  readonly index: string | undefined;
  /** It waits for less than usual, to look again at an answer that is doubted: never answered from memory. */
  readonly isShort: boolean;
  readonly isCompressed: boolean;
  /** Milliseconds that the reader would have paused before. */
  readonly afterMs: number;
  readonly timeLimitMs: number;
}

/** The process that was to answer is gone, or is not the one any more: ask its successor. */
export const LOST: unique symbol = Symbol('lost');
export type HostAnswer = ConsulAnswer | typeof LOST;

/** `usualWaitMs`: the least that a blocking query waits for if it is not shortened. */
export function toAsk(request: ConsulRequest, usualWaitMs: number): HostAsk {
  const { index, ...query } = request.query ?? {};
  return {
    path: request.path,
    params: request.params ?? {},
    query,
    index: typeof index === 'string' ? index : undefined,
    isShort: typeof index === 'string' && waitMsOf(request) < usualWaitMs,
    isCompressed: request.isCompressed === true,
    afterMs: request.afterMs ?? 0,
    timeLimitMs: request.timeLimitMs,
  };
}

export function toRequest(ask: HostAsk, signal: AbortSignal): ConsulRequest {
  const { path, params, query, index, isCompressed, timeLimitMs } = ask;
  return {
    path,
    params,
    query: index === undefined ? query : { ...query, index },
    timeLimitMs,
    signal,
    ...(isCompressed ? { isCompressed } : {}),
  };
}

/** What makes two reads the same question, whatever each has seen of it. */
export function questionOf({ path, params, query, isShort }: HostAsk): string {
  const { wait: _, ...rest } = query;
  const sorted = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([path, params, sorted, isShort]);
}

/** Holds all of a {@link ConsulAnswer} but its body, which follows as it is. */
export const ANSWER_HEADER = 'x-graylane-answer';
/** Longer than any question; a filter expression may be long. */
export const ASK_LIMIT_BYTES: number = 256 * 1024;
export const BODY_LIMIT_BYTES: number = 32 * 1024 * 1024;
/** A header field holds it. */
const REASON_LIMIT = 4_096;
/** So that an answer of a few megabytes passes without waiting for the other side. */
export const WINDOW_BYTES: number = 16 * 1024 * 1024;
/** Megabytes: Node's default of 10 refuses new streams while a large answer waits to be read. */
export const SESSION_MEMORY_MB = 256;

export function encodeAnswer(answer: ConsulAnswer): { readonly header: string; readonly body: Buffer } {
  if (answer.kind === 'failure') {
    return { header: pack({ ...answer, reason: answer.reason.slice(0, REASON_LIMIT) }), body: Buffer.alloc(0) };
  }
  const { body, index, ...rest } = answer;
  return {
    header: pack({ ...rest, index: index === undefined ? undefined : String(index), bytes: body.length }),
    body,
  };
}

/** Undefined: it was not written by {@link encodeAnswer}, or was cut short. */
export function decodeAnswer(header: unknown, body: Buffer): ConsulAnswer | undefined {
  if (typeof header !== 'string') return undefined;
  try {
    const read = JSON.parse(decodeURIComponent(header)) as Record<string, unknown>;
    if (read['kind'] === 'failure') {
      const status = typeof read['status'] === 'number' ? read['status'] : undefined;
      return { kind: 'failure', status, reason: String(read['reason']) };
    }
    const { bytes, ...rest } = read;
    if (read['kind'] !== 'answer' || typeof read['status'] !== 'number' || bytes !== body.length) return undefined;
    const index = typeof read['index'] === 'string' ? BigInt(read['index']) : undefined;
    return { dateMs: undefined, ...rest, filteredByAcl: read['filteredByAcl'] === true, index, body } as ConsulAnswer;
  } catch {
    return undefined;
  }
}

export function decodeAsk(text: string): HostAsk | undefined {
  try {
    const read = JSON.parse(text) as Partial<HostAsk> | null;
    const isAsk =
      typeof read?.path === 'string' &&
      typeof read.params === 'object' &&
      typeof read.query === 'object' &&
      typeof read.afterMs === 'number' &&
      typeof read.timeLimitMs === 'number';
    return isAsk ? (read as HostAsk) : undefined;
  } catch {
    return undefined;
  }
}

function pack(value: object): string {
  return encodeURIComponent(JSON.stringify(value));
}
