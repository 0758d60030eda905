import { InvalidArgumentError } from 'commander';
import { nearest } from '../../base/spelling';
import { STATUS_NAMES, type StatusName, statusCodeOf } from '../../base/status-names';
import { MAX_FAULT_DELAY_MS } from '../../policy/limits';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/** `300ms`, `2s`, `1m`; in milliseconds. */
export function parseDelay(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})(ms|s|m)$/.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit] ?? Number.NaN);
  if (!(ms > 0) || ms > MAX_FAULT_DELAY_MS) throw new InvalidArgumentError('(expected: 300ms, 2s or 1m, at most 10m)');
  return ms;
}

/** The name of a gRPC status, in any case. */
export function parseStatus(text: string): StatusName {
  const name = text.toUpperCase();
  if (statusCodeOf(name) !== undefined) return name as StatusName;
  const meant = nearest(name, STATUS_NAMES);
  throw new InvalidArgumentError(`(expected: a gRPC status${meant === undefined ? '' : `; did you mean ${meant}?`})`);
}
