import type { ConsulAnswer } from '../../../consul/request';
import type { PolicyReading } from '../../../policy/policy-reading';

/** What one answer of `/v1/kv/<key>` says. Pure; never throws. */
export function parseKvAnswer(answer: ConsulAnswer & { readonly kind: 'answer' }, key: string): PolicyReading {
  if (answer.status === 404) return { kind: 'absent' };
  const text = answer.body.toString('utf8');
  let entry: unknown;
  try {
    const entries: unknown = JSON.parse(text);
    entry = Array.isArray(entries) && entries.length === 1 ? entries[0] : undefined;
  } catch {
    return { kind: 'error', reason: 'the answer is not JSON' };
  }
  if (typeof entry !== 'object' || entry === null || !('Key' in entry) || !('Value' in entry) || entry.Key !== key) {
    return { kind: 'error', reason: 'the answer is not the entry that was asked for' };
  }
  const { Value: value } = entry;
  if (value !== null && typeof value !== 'string') return { kind: 'error', reason: 'the value is not text' };
  const content = decodeUtf8(Buffer.from(value ?? '', 'base64'));
  if (content === undefined) return { kind: 'error', reason: 'the value is not valid UTF-8' };
  // From the text: beyond 2^53 a parsed number would be another one.
  const index = /"ModifyIndex":\s*(\d+)/.exec(text)?.[1];
  return {
    kind: 'present',
    content,
    format: 'json',
    place: `Consul KV ${key}`,
    ...(index === undefined ? {} : { index }),
  };
}

export function isSameReading(a: PolicyReading, b: PolicyReading): boolean {
  if (a.kind === 'present' && b.kind === 'present') return a.content === b.content && a.index === b.index;
  if (a.kind === 'error' && b.kind === 'error') return a.reason === b.reason;
  return a.kind === b.kind;
}

function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
