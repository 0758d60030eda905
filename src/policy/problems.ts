import type { PolicyProblem } from './plan';
import type { Positions } from './positions';

/** Where something stands in a document: keys of objects, indexes of lists. */
export type DocumentPath = readonly (string | number)[];

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

const SHOWN_CHARACTERS = 60;

export function createProblemList(positions: Positions | undefined): ProblemList {
  const problems: PolicyProblem[] = [];
  return {
    problems,
    report(path, value, expected) {
      const where = formatPath(path);
      const message = `${where === '' ? 'policy' : where}: ${showValue(value)} (expected: ${expected})`;
      const position = positions?.locate(path);
      problems.push(position === undefined ? { path: where, message } : { path: where, message, ...position });
    },
  };
}

/** `routes[1].split[0].weight`, with keys that are not plain words quoted: `labels["a b"]`. */
export function formatPath(path: DocumentPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${shorten(JSON.stringify(part))}]`;
  }
  return text;
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

function shorten(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}...`;
}
