import { isRecord } from '../../base/is-record';
import { showValue } from '../../base/shorten';
import type { ForceSelector } from '../plan';

/**
 * One call in the recorded form: a line of NDJSON. `method`, `labels`, `stickyKey` and `force` are what a replay
 * decides by; the rest says what was decided then, and a replay ignores it. `labels` holds only those that the policy
 * reads.
 */
export interface CallRecord {
  /** RFC 3339. */
  readonly at?: string;
  /** Service that was called. */
  readonly service?: string;
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Labels of the call. */
  readonly labels: Readonly<Record<string, string>>;
  /** The sticky value that the call's scope gave. */
  readonly stickyKey?: string;
  /** What the call asked for beside the policy. */
  readonly force?: ForceSelector;
  /** What decided, when it was recorded. */
  readonly by?: string;
  /** The route that took it, when it was recorded. */
  readonly route?: string;
  /** The subset it went to, when it was recorded. */
  readonly subset?: string;
  /** Revision of the policy that decided, when it was recorded. */
  readonly revision?: string;
}

const FORCE_KEYS = ['endpoint', 'instance', 'subset', 'datacenter'];

/** Reads one line; a string says what is wrong with it, as `path: value (expected: ...)`. Unknown keys are let pass. */
export function parseCallRecord(line: string): CallRecord | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return `${showValue(line)} (expected: a JSON object)`;
  }
  if (!isRecord(value)) return `${showValue(line)} (expected: a JSON object)`;
  const { service, method, labels = {}, stickyKey, force } = value;
  if (typeof method !== 'string' || !method.startsWith('/')) {
    return `method: ${showValue(method)} (expected: /package.Service/Method)`;
  }
  if (!isRecord(labels)) return `labels: ${showValue(labels)} (expected: strings by key)`;
  const wrong = Object.entries(labels).find(([, label]) => typeof label !== 'string');
  if (wrong !== undefined) return `labels.${wrong[0]}: ${showValue(wrong[1])} (expected: a string)`;
  if (stickyKey !== undefined && typeof stickyKey !== 'string') {
    return `stickyKey: ${showValue(stickyKey)} (expected: a string)`;
  }
  if (force !== undefined && !isForce(force)) {
    return `force: ${showValue(force)} (expected: ${FORCE_KEYS.join(', ')} as strings, strict)`;
  }
  return {
    ...(typeof service === 'string' ? { service } : {}),
    method,
    labels: labels as Readonly<Record<string, string>>,
    ...(stickyKey === undefined ? {} : { stickyKey }),
    ...(force === undefined ? {} : { force }),
  };
}

function isForce(value: unknown): value is ForceSelector {
  if (!isRecord(value)) return false;
  return Object.entries(value).every(([key, one]) =>
    key === 'strict' ? typeof one === 'boolean' : FORCE_KEYS.includes(key) && typeof one === 'string',
  );
}
