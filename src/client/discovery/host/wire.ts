import type { ConsulAnswer } from '../../../consul/request';
import type { HostAsk } from './ask';

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
