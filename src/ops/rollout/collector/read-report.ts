import { isRecord } from '../../../base/is-record';
import { DURATION_BOUNDS_MS, type ReportedCounts, type RolloutMetricsReport } from '../../../base/rollout-metrics';
import { ownValue } from '../../../policy/plain-data';
import { showValue } from '../../../policy/problems';

/** More attempts than any window of any client has. */
const MOST = 1e12;
const BUCKETS = DURATION_BOUNDS_MS.length + 1;

/** What a client sent, or the path of the first thing that does not fit. Never throws. */
export function readReport(text: string): RolloutMetricsReport | { readonly problem: string } {
  try {
    const raw: unknown = JSON.parse(text);
    const format = ownValue(raw, 'format');
    if (format !== 1) refuse('format', format, '1');
    return {
      format: 1,
      client: readName(raw, 'client', 64),
      window: readName(raw, 'window', 128),
      number: readCount(raw, 'number', 'number'),
      canary: readCounts(raw, 'canary'),
      stable: readCounts(raw, 'stable'),
    };
  } catch (error) {
    if (error instanceof Refusal) return { problem: error.message };
    return { problem: 'body: not JSON (expected: a report)' };
  }
}

function readCounts(report: unknown, name: 'canary' | 'stable'): ReportedCounts {
  const raw = ownValue(report, name);
  if (!isRecord(raw)) return refuse(name, raw, 'an object with calls and failures');
  const calls = readCount(raw, 'calls', `${name}.calls`);
  const failures = readCount(raw, 'failures', `${name}.failures`);
  if (failures > calls) refuse(`${name}.failures`, failures, `at most ${name}.calls`);
  const isShed = ownValue(raw, 'isShed');
  if (typeof isShed !== 'boolean') return refuse(`${name}.isShed`, isShed, 'true or false');
  return {
    calls,
    failures,
    neutral: readCount(raw, 'neutral', `${name}.neutral`),
    fallbacks: readCount(raw, 'fallbacks', `${name}.fallbacks`),
    isShed,
    durations: readDurations(ownValue(raw, 'durations'), `${name}.durations`, calls),
  };
}

function readDurations(value: unknown, path: string, calls: number): readonly number[] {
  if (!Array.isArray(value) || value.length !== BUCKETS) return refuse(path, value, `a list of ${BUCKETS} counts`);
  let sum = 0;
  for (const index of value.keys()) sum += readCount(value, index, `${path}[${index}]`);
  if (sum !== calls) refuse(path, `${sum} in all`, `${calls}, as many as calls`);
  return value;
}

function readCount(holder: unknown, key: string | number, path: string): number {
  const value = ownValue(holder, String(key));
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MOST
    ? value
    : refuse(path, value, 'a whole number >= 0');
}

function readName(holder: unknown, key: string, longest: number): string {
  const value = ownValue(holder, key);
  if (typeof value !== 'string' || value === '' || value.length > longest) {
    return refuse(key, value, `1 to ${longest} characters`);
  }
  return value;
}

class Refusal extends Error {}

function refuse(path: string, value: unknown, expected: string): never {
  throw new Refusal(`${path}: ${showValue(value)} (expected: ${expected})`);
}
