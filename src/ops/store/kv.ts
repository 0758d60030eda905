import { GraylaneError } from '../../base/errors';
import { isRecord } from '../../base/is-record';
import { answerNames } from '../../consul/answer-json';
import type { ConsulClient } from '../../consul/client';
import { PLAIN_TIME_LIMIT_MS } from '../../consul/request';

/** An operation on one key within a transaction. Indexes are decimal text: they may lie beyond 2^53. */
export type KvOperation =
  /** Holds only while the key is as it was read; index 0: while there is none. */
  | { readonly verb: 'cas'; readonly key: string; readonly index: string; readonly value: string }
  | { readonly verb: 'check-index'; readonly key: string; readonly index: string }
  /** Holds only while this session has the key's lock, which fences a writer that has lost it. */
  | { readonly verb: 'check-session'; readonly key: string; readonly session: string }
  /** Takes the key's lock; does not hold while another session has it. */
  | { readonly verb: 'lock'; readonly key: string; readonly session: string; readonly value: string }
  /** Whoever has its lock keeps it. */
  | { readonly verb: 'set'; readonly key: string; readonly value: string }
  | { readonly verb: 'delete'; readonly key: string }
  | { readonly verb: 'get-tree'; readonly key: string };

export interface KvPair {
  readonly key: string;
  readonly value: Buffer;
  /** That has its lock. */
  readonly session: string | undefined;
  readonly createIndex: string;
  readonly modifyIndex: string;
}

export type TransactionOutcome =
  | { readonly kind: 'done'; readonly pairs: readonly KvPair[] }
  /** A key was not as it was read: nothing was written. */
  | { readonly kind: 'conflict'; readonly reason: string }
  /** Consul refuses it (permission, size): nothing was written. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** No answer: it may have been written, or not. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** Consul refuses bodies above its `txn_max_req_len`, 512 KiB unless configured otherwise. */
const TRANSACTION_BYTES = 512 * 1024;
/** All of it or nothing, in one datacenter. Never rejects. */
export async function transact(
  client: ConsulClient,
  datacenter: string | undefined,
  operations: readonly KvOperation[],
): Promise<TransactionOutcome> {
  const body = `[${operations.map(encode).join(',')}]`;
  if (Buffer.byteLength(body) > TRANSACTION_BYTES) {
    const reason = `a transaction of ${Buffer.byteLength(body)} bytes (expected: at most ${TRANSACTION_BYTES})`;
    return { kind: 'refused', reason };
  }
  const query = inDatacenter(datacenter);
  const answer = await client.put({ path: '/txn', query, body, timeLimitMs: PLAIN_TIME_LIMIT_MS });
  if (answer.kind === 'failure') {
    const isRefusal = answer.status !== undefined && answer.status >= 400 && answer.status < 500;
    return { kind: isRefusal ? 'refused' : 'unknown', reason: answer.reason };
  }
  const text = answer.body.toString('utf8');
  if (answer.status === 409) {
    const reason = errorsOf(text).join(', ');
    return { kind: /permission denied|acl not found/i.test(reason) ? 'refused' : 'conflict', reason };
  }
  const pairs = pairsOf(text);
  return pairs === undefined
    ? { kind: 'unknown', reason: 'the answer is not of a transaction' }
    : { kind: 'done', pairs };
}

function encode(operation: KvOperation): string {
  const { verb, key } = operation;
  // By hand for the index, which as a number might be another one.
  const index = 'index' in operation ? `,"Index":${/^\d+$/.test(operation.index) ? operation.index : '0'}` : '';
  const value = 'value' in operation ? `,"Value":"${Buffer.from(operation.value).toString('base64')}"` : '';
  const session = 'session' in operation ? `,"Session":${JSON.stringify(operation.session)}` : '';
  return `{"KV":{"Verb":"${verb}","Key":${JSON.stringify(key)}${index}${value}${session}}}`;
}

function errorsOf(text: string): readonly string[] {
  const errors = parseJsonRecord(text)?.['Errors'];
  if (!Array.isArray(errors)) return ['the transaction did not hold'];
  const texts = errors.map((error: { readonly What?: unknown }) => String(error?.What ?? 'an operation did not hold'));
  return [...new Set(texts)];
}

interface RawPair {
  readonly Key: string;
  readonly Value: string | null;
  readonly Session?: string;
  readonly CreateIndex: unknown;
  readonly ModifyIndex: unknown;
}

function pairsOf(text: string): readonly KvPair[] | undefined {
  // Indexes become text before a parser can round them.
  const exact = text.replace(/("(?:Create|Modify)Index":\s*)(\d+)/g, '$1"$2"');
  const results = parseJsonRecord(exact)?.['Results'];
  if (results === null) return [];
  if (!Array.isArray(results)) return undefined;
  return results
    .map((result: { readonly KV?: RawPair }) => result?.KV)
    .filter((pair) => pair !== undefined)
    .map((pair) => ({
      key: pair.Key,
      value: Buffer.from(pair.Value ?? '', 'base64'),
      session: pair.Session === '' ? undefined : pair.Session,
      createIndex: String(pair.CreateIndex),
      modifyIndex: String(pair.ModifyIndex),
    }));
}

/** Undefined when the text is no JSON object. */
export function parseJsonRecord(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The query parameter of a datacenter; undefined is the agent's own, which is asked without one. */
export function inDatacenter(datacenter: string | undefined): { readonly dc?: string } {
  return datacenter === undefined ? {} : { dc: datacenter };
}

/** All keys below a prefix, or why Consul does not list them. */
export async function listKeys(
  client: ConsulClient,
  prefix: string,
  datacenter: string | undefined,
): Promise<readonly string[] | { readonly reason: string }> {
  const query = { keys: '', ...inDatacenter(datacenter) };
  const answer = await client.get({ path: `/kv/${prefix}`, query, timeLimitMs: PLAIN_TIME_LIMIT_MS });
  // Consul answers 404, with its index, where no key matches.
  if (answer.kind === 'answer' && answer.status === 404) return [];
  return answerNames(answer);
}

/** The names of the keys directly below `prefix/`. Throws POLICY_UNAVAILABLE. */
export async function namesBelow(
  client: ConsulClient,
  prefix: string,
  datacenter: string | undefined,
): Promise<readonly string[]> {
  const keys = await listKeys(client, `${prefix}/`, datacenter);
  if ('reason' in keys) throw unavailable(`${prefix}/`, keys.reason);
  return keys.map((key) => key.slice(prefix.length + 1)).filter((name) => name !== '' && !name.includes('/'));
}

/**
 * Throws POLICY_UNAVAILABLE where the token may not read below the prefix: Consul then lists nothing, as where there is
 * nothing. Asks for a key that nobody writes.
 */
export async function checkMayRead(
  client: ConsulClient,
  prefix: string,
  datacenter: string | undefined,
): Promise<void> {
  const how = { params: { key: `${prefix}/-` }, query: inDatacenter(datacenter), timeLimitMs: PLAIN_TIME_LIMIT_MS };
  const answer = await client.get({ path: '/kv/{key}', ...how });
  if (answer.kind === 'failure') throw unavailable(`${prefix}/`, answer.reason);
}

/**
 * A transaction leaves out keys that the token may not read, as if they did not exist. Throws POLICY_UNAVAILABLE then.
 */
export async function assertReadable(client: ConsulClient, key: string, datacenter: string | undefined): Promise<void> {
  const query = inDatacenter(datacenter);
  const answer = await client.get({ path: '/kv/{key}', params: { key }, query, timeLimitMs: PLAIN_TIME_LIMIT_MS });
  if (answer.kind === 'failure') throw unavailable(key, answer.reason);
}

export function unavailable(key: string, reason: string): GraylaneError {
  return new GraylaneError('POLICY_UNAVAILABLE', `${key}: ${reason}`);
}
