import type { ConsulAnswer, ConsulRequest } from '../../../consul/request';

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
  const wait = typeof query['wait'] === 'string' ? Number.parseInt(query['wait'], 10) : 0;
  return {
    path: request.path,
    params: request.params ?? {},
    query,
    index: typeof index === 'string' ? index : undefined,
    isShort: typeof index === 'string' && wait < usualWaitMs,
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
