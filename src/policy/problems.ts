import { LineStarts, type Position } from '../base/line-starts';
import { shorten, shortenMiddle, showValue } from '../base/shorten';
import { MAX_PROBLEMS } from './limits';
import type { PolicyProblem } from './plan';

/** What a message says was expected, or words in place of a value. */
const MOST_CHARACTERS = 1_000;

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

/**
 * Gathers what is wrong with a document, so that its author sees everything at once: the first fifty, and how many
 * more there are. The list is bounded, whatever the document holds.
 */
export class ProblemList {
  readonly problems: PolicyProblem[];
  readonly #positions: Positions | undefined;
  readonly #document: string;
  #more: number;

  /** `document`: how messages name the whole document. */
  constructor(positions?: Positions, document = 'policy') {
    this.problems = [];
    this.#positions = positions;
    this.#document = document;
    this.#more = 0;
  }

  /** The rest is only counted: expensive checks can be skipped. */
  get isFull(): boolean {
    return this.problems.length >= MAX_PROBLEMS;
  }

  /** Adds `path: value (expected: expected)`. `value` is shown shortened; a {@link note} says it in words. */
  report(path: DocumentPath, value: unknown, expected: string): void {
    if (this.isFull) {
      this.more();
      return;
    }
    const where = formatPath(path);
    const wanted = shortenMiddle(expected, MOST_CHARACTERS);
    const message = `${where === '' ? this.#document : where}: ${this.#shown(path, value)} (expected: ${wanted})`;
    this.problems.push({ path: where, message, ...this.#positions?.locate(path) });
  }

  /** A number as its author wrote it: `1.0`, and not the 1 that YAML makes of it. */
  #shown(path: DocumentPath, value: unknown): string {
    return (typeof value === 'number' ? this.#positions?.writtenAt?.(path) : undefined) ?? show(value);
  }

  /** One more, for a list that is full. */
  more(): void {
    this.#more += 1;
    const message = `${this.#document}: ${this.#more} more problems (expected: none)`;
    this.problems[MAX_PROBLEMS] = { path: '', message };
  }
}

function show(value: unknown): string {
  const isNote = typeof value === 'object' && value !== null && NOTE in value;
  return isNote ? shortenMiddle(String(value[NOTE]), MOST_CHARACTERS) : showValue(value);
}

const MOST_PATH_CHARACTERS = 200;

/** Where something stands in a document: keys of objects, indexes of lists. */
export type DocumentPath = readonly (string | number)[];

/**
 * `routes[1].split[0].weight`, with keys that are not plain words quoted: `labels["a b"]`. Keys are shortened at their
 * end, a long path in its middle.
 */
function formatPath(path: DocumentPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]{0,63}$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(shorten(part))}]`;
  }
  return shortenMiddle(text, MOST_PATH_CHARACTERS);
}

/** Where the parts of a text stand, for messages. Built while parsing, dropped once the document is judged. */
export interface Positions {
  /** The nearest part that the text has: the path itself, else the closest of its parents. */
  locate(path: DocumentPath): Position | undefined;
  /** What stands in the text for a number, which may be spelled in another way: `1.0` for 1. */
  writtenAt?(path: DocumentPath): string | undefined;
}

/** What became of a text. */
export interface ParsedText {
  /** Undefined when the text could not be parsed; `problems` says why. */
  readonly value: unknown;
  readonly positions: Positions;
  /** Syntax, encoding, size, keys given twice. Empty when the text is sound. */
  readonly problems: readonly PolicyProblem[];
}

/** A part of the text. A tree of them takes what the text takes, however long its keys and deep its objects are. */
interface Entry {
  offset?: number;
  children?: Map<string | number, Entry>;
}

/** Filled by a parser: offsets of the entries (an object's key, a list's item). */
export class PositionIndex implements Positions {
  readonly #lines: LineStarts;
  readonly #root: Entry = {};

  constructor(text: string) {
    this.#lines = new LineStarts(text);
  }

  add(path: DocumentPath, offset: number): void {
    this.#entry(path).offset = offset;
  }

  #entry(path: DocumentPath): Entry {
    let entry = this.#root;
    for (const part of path) {
      entry.children ??= new Map();
      const child: Entry = entry.children.get(part) ?? {};
      entry.children.set(part, child);
      entry = child;
    }
    return entry;
  }

  locate(path: DocumentPath): Position | undefined {
    let entry: Entry | undefined = this.#root;
    let { offset } = entry;
    for (const part of path) {
      entry = entry?.children?.get(part);
      offset = entry?.offset ?? offset;
    }
    if (offset === undefined) return undefined;
    return this.#lines.positionAt(offset);
  }
}
