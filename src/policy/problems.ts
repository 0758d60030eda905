import { type DocumentPath, formatPath, shorten } from './document-path';
import type { PolicyProblem } from './plan';
import type { Positions } from './positions';

/** Gathers what is wrong with a document, so that its author is told everything at once. */
export interface ProblemList {
  readonly problems: readonly PolicyProblem[];
  /** Adds `path: value (expected: expected)`. `value` is shown shortened; a {@link note} says it in words. */
  report(path: DocumentPath, value: unknown, expected: string): void;
}

/** Says in words what stands, or does not stand, where a value is looked for. */
export interface Note {
  readonly [NOTE]: string;
}

const NOTE: unique symbol = Symbol('note');

/** For {@link ProblemList.report} in place of a value: shown as it is, without quotes. */
export function note(text: string): Note {
  return { [NOTE]: text };
}

export const MISSING: Note = note('missing');

/** `document`: what a problem of the whole document is told of. */
export function createProblemList(positions: Positions | undefined, document = 'policy'): ProblemList {
  const problems: PolicyProblem[] = [];
  return {
    problems,
    report(path, value, expected) {
      const where = formatPath(path);
      const message = `${where === '' ? document : where}: ${showValue(value)} (expected: ${expected})`;
      const position = positions?.locate(path);
      problems.push(position === undefined ? { path: where, message } : { path: where, message, ...position });
    },
  };
}

/** A value as a message shows it: at most 60 characters, control characters escaped. Never throws. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'object' && value !== null && NOTE in value) return String(value[NOTE]);
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    return shorten(JSON.stringify(value) ?? typeof value);
  } catch {
    return 'an object that is no plain data';
  }
}
