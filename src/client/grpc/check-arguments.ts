import { GraylaneError } from '../../base/errors';
import { isRecord } from '../../base/is-record';
import { keyProblems, throwProblems } from '../../base/option-reader';
import { labelKeyFault } from '../../policy/label-key';
import type { GrpcModule } from './grpc-js';

const EXPECTED = 'ChannelCredentials of @grpc/grpc-js, such as credentials.createInsecure() or credentials.createSsl()';

/**
 * Throws GRPC_MISMATCH for credentials of another copy of grpc-js, INVALID_OPTION for what are no channel credentials.
 */
export function checkCredentials(grpc: GrpcModule, credentials: unknown): void {
  if (credentials instanceof grpc.ChannelCredentials) return;
  if (isOfAnotherCopy(credentials)) {
    throw new GraylaneError(
      'GRPC_MISMATCH',
      'credentials: made by another copy of @grpc/grpc-js (expected: the copy that graylane uses). ' +
        'Run "npm ls @grpc/grpc-js"; then dedupe, or hand your copy in: createGraylane({ grpc })',
    );
  }
  throw new GraylaneError('INVALID_OPTION', `credentials: ${describe(credentials)} (expected: ${EXPECTED})`);
}

/** Throws INVALID_OPTION for what is no object of options: spread into others it would be lost in silence. */
export function checkOptions(options: unknown): void {
  if (isRecord(options)) return;
  const expected = 'an object of channel options, such as { "grpc.keepalive_time_ms": 30000 }';
  throw new GraylaneError('INVALID_OPTION', `options: ${describe(options)} (expected: ${expected})`);
}

/** Throws INVALID_OPTION for keys that nobody reads: plain JavaScript has no compiler that would say so. */
export function checkKeys(given: unknown, path: string, known: readonly string[]): void {
  const problems = keyProblems(given, path, known);
  throwProblems(problems);
}

/** Has what channel credentials of every version of grpc-js have, and call or server credentials have not. */
function isOfAnotherCopy(value: unknown): boolean {
  return has(value, '_isSecure') && has(value, 'compose');
}

function has(value: unknown, method: string): boolean {
  return (
    typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[method] === 'function'
  );
}

/** By kind only: credentials hold keys. */
function describe(value: unknown): string {
  if (has(value, 'generateMetadata')) {
    return 'CallCredentials, which go into credentials.combineChannelCredentials() with those of a channel';
  }
  if (has(value, '_getConstructorOptions')) return 'ServerCredentials';
  if (value === undefined || value === null) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  return Array.isArray(value) ? 'an array' : 'an object';
}

const VALUE = /^[ -~]*$/;
const MAX_VALUE = 4096;
/** As many as W3C Baggage allows entries. https://www.w3.org/TR/baggage/#limits */
const MAX_LABELS = 64;

/**
 * Lower-cases the keys of labels that a program hands in and refuses what cannot be sent as metadata. Values are data
 * and never quoted.
 */
export function checkLabels(labels: Readonly<Record<string, string>>, path: string): Record<string, string> {
  const checked: Record<string, string> = {};
  const entries = Object.entries(labels);
  if (entries.length > MAX_LABELS) {
    throw new GraylaneError('INVALID_LABEL', `${path}: ${entries.length} labels (expected: at most ${MAX_LABELS})`);
  }
  for (const [name, value] of entries) {
    const key = name.toLowerCase();
    const fault = labelKeyFault(key);
    if (fault !== undefined) throw invalid(path, name, fault);
    if (typeof value !== 'string' || !VALUE.test(value) || value.length > MAX_VALUE) {
      throw invalid(path, name, `a value of printable ASCII, at most ${MAX_VALUE} characters`);
    }
    Object.defineProperty(checked, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return checked;
}

function invalid(path: string, key: string, expected: string): GraylaneError {
  return new GraylaneError('INVALID_LABEL', `${path}[${JSON.stringify(key.slice(0, 80))}] (expected: ${expected})`);
}
