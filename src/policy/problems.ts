import { shorten, shortenMiddle } from '../base/shorten';
import { type DocumentPath, formatPath } from './document-path';
import { MAX_PROBLEMS } from './limits';
import type { PolicyProblem } from './plan';
import type { Positions } from './positions';

/** What a message says was expected, or words in place of a value. */
const MOST_CHARACTERS = 1_000;

/**
 * Gathers what is wrong with a document, so that its author is told everything at once: the first fifty, and how many more there
 * are. What is told is bounded whatever the document holds.
 */
export interface ProblemList {
  readonly problems: readonly PolicyProblem[];
  /** The rest is only counted: whoever finds a reason with much work need not. */
  readonly isFull: boolean;
  /** Adds `path: value (expected: expected)`. `value` is shown shortened; a {@link note} says it in words. */
  report(path: DocumentPath, value: unknown, expected: string): void;
  /** One more, for a list that is full. */
  more(): void;
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
  return new BoundedProblems(positions, document);
}

class BoundedProblems implements ProblemList {
  readonly problems: PolicyProblem[] = [];
  readonly #positions: Positions | undefined;
  readonly #document: string;
  #more = 0;

  constructor(positions: Positions | undefined, document: string) {
    this.#positions = positions;
    this.#document = document;
  }

  get isFull(): boolean {
    return this.problems.length >= MAX_PROBLEMS;
  }

  report(path: DocumentPath, value: unknown, expected: string): void {
    if (this.isFull) {
      this.more();
      return;
    }
    const where = formatPath(path);
    const wanted = shortenMiddle(expected, MOST_CHARACTERS);
    const message = `${where === '' ? this.#document : where}: ${showValue(value)} (expected: ${wanted})`;
    const position = this.#positions?.locate(path);
    this.problems.push(position === undefined ? { path: where, message } : { path: where, message, ...position });
  }

  more(): void {
    this.#more += 1;
    this.problems[MAX_PROBLEMS] = {
      path: '',
      message: `${this.#document}: ${this.#more} more problems (expected: none)`,
    };
  }
}

/** A value as a message shows it: at most 60 characters, control characters escaped. Never throws. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'object' && value !== null && NOTE in value)
    return shortenMiddle(String(value[NOTE]), MOST_CHARACTERS);
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    return shorten(JSON.stringify(typeof value === 'string' ? value.slice(0, MOST_CHARACTERS) : value) ?? typeof value);
  } catch {
    return 'an object that is no plain data';
  }
}
