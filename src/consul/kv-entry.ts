import { isRecord } from '../base/is-record';
import type { ConsulAnswer } from './request';

/** What an answer of `/v1/kv/<key>` says. https://developer.hashicorp.com/consul/api-docs/kv#read-key */
export type KvReading =
  | {
      readonly kind: 'entry';
      readonly text: string;
      /** ModifyIndex, decimal. */
      readonly index: string | undefined;
      /** The session that has the key locked; '': none has. */
      readonly session: string;
    }
  | { readonly kind: 'absent' }
  | { readonly kind: 'error'; readonly reason: string };

/** Pure; never throws. */
export function readKvAnswer(answer: ConsulAnswer & { readonly kind: 'answer' }, key: string): KvReading {
  if (answer.status === 404) return { kind: 'absent' };
  const body = answer.body.toString('utf8');
  let entry: unknown;
  try {
    const entries: unknown = JSON.parse(body);
    entry = Array.isArray(entries) && entries.length === 1 ? entries[0] : undefined;
  } catch {
    return error('the answer is not JSON');
  }
  if (!isRecord(entry) || entry['Key'] !== key || entry['Value'] === undefined) {
    return error('the answer is not the entry that was asked for');
  }
  const { Value: value, Session: session = '' } = entry;
  if (value !== null && typeof value !== 'string') return error('the value is not text');
  if (typeof session !== 'string') return error('the session is not text');
  const text = decodeUtf8(Buffer.from(value ?? '', 'base64'));
  if (text === undefined) return error('the value is not valid UTF-8');
  // From the text: beyond 2^53 a parsed number would be another one.
  return { kind: 'entry', text, index: /"ModifyIndex":\s*(\d+)/.exec(body)?.[1], session };
}

function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function error(reason: string): KvReading {
  return { kind: 'error', reason };
}
