import { regexFault } from '../matchers/regex';

/** One comparison of a filter expression: `Service.Meta.version == v2`. */
export interface FilterMatch {
  /** `['Service', 'Meta', 'version']`. */
  readonly selector: readonly string[];
  readonly operator: FilterOperator;
  /** Undefined for `is empty` and `is not empty`. */
  readonly value: string | undefined;
}

/** What is compared; each has its negation, which parses to the same. */
export type FilterOperator = 'equal' | 'in' | 'matches' | 'empty';

/** An expression understood, or the first thing that is wrong with it. */
export type ParsedFilter =
  | { readonly matches: readonly FilterMatch[] }
  /** `at`: 1-based character; `expected` says what could stand there. */
  | { readonly at: number; readonly found: string; readonly expected: string };

/**
 * Parses a Consul filter expression by the grammar that Consul's own evaluator uses since 1.8 (hashicorp/go-bexpr).
 * Never throws. https://developer.hashicorp.com/consul/api-docs/features/filtering
 */
export function parseFilter(text: string): ParsedFilter {
  const parser = new FilterParser(text);
  try {
    parser.whole();
    return { matches: parser.matches };
  } catch (error) {
    if (!(error instanceof FilterFault)) throw error;
    const at = text.length - text.slice(error.at).trimStart().length;
    return { at: at + 1, found: found(text, at), expected: error.expected };
  }
}

const COMPARISONS: readonly (readonly [RegExp, FilterOperator])[] = [
  [/\s*[=!]=\s*/y, 'equal'],
  [/\s+(?:not\s+)?contains(?:\s+|$)/y, 'in'],
  [/\s+(?:not\s+)?matches(?:\s+|$)/y, 'matches'],
];
const EMPTINESS = /\s+is\s+(?:not\s+)?empty/y;
const MEMBERSHIP = /\s+(?:not\s+)?in(?:\s+|$)/y;
const IDENTIFIER = /[A-Za-z][A-Za-z0-9_]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?=\s|\)|$)/y;
const QUOTED = /"[^"]*"|`[^`]*`/y;
const COMPARISON_WORDS = '==, !=, contains, matches, is empty, or their not';
const VALUE_WORDS = 'a word, a number, or "text in double quotes"';
/** Deeper than any real expression, and far below the limit of the stack. */
const MAX_DEPTH = 64;

class FilterFault extends Error {
  readonly at: number;
  readonly expected: string;

  constructor(at: number, expected: string) {
    super(expected);
    this.at = at;
    this.expected = expected;
  }
}

class FilterParser {
  readonly matches: FilterMatch[] = [];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): void {
    this.#take(/\s*/y);
    this.#either(0);
    this.#take(/\s*/y);
    if (this.#at < this.#text.length) throw this.#fault('and, or, or the end');
  }

  /** `a or b`; `and` binds more tightly. */
  #either(depth: number): void {
    if (depth > MAX_DEPTH) throw this.#fault(`at most ${MAX_DEPTH} levels`);
    this.#both(depth);
    while (this.#take(/\s+or\s+/y) !== undefined) this.#both(depth);
  }

  #both(depth: number): void {
    this.#negated(depth);
    while (this.#take(/\s+and\s+/y) !== undefined) this.#negated(depth);
  }

  #negated(depth: number): void {
    while (this.#take(/not\s+/y) !== undefined);
    if (this.#take(/\(\s*/y) === undefined) {
      this.#match();
      return;
    }
    this.#either(depth + 1);
    if (this.#take(/\s*\)/y) === undefined) throw this.#fault('and, or, or )');
  }

  /** `selector == value`, `selector is empty` or `value in selector`. */
  #match(): void {
    const start = this.#at;
    const selector = this.#selector();
    if (selector !== undefined) {
      if (this.#take(EMPTINESS) !== undefined) {
        this.matches.push({ selector, operator: 'empty', value: undefined });
        return;
      }
      for (const [pattern, operator] of COMPARISONS) {
        if (this.#take(pattern) === undefined) continue;
        const at = this.#at;
        const value = this.#value();
        if (operator === 'matches') this.#checkPattern(value, at);
        this.matches.push({ selector, operator, value });
        return;
      }
    }
    const afterSelector = this.#at;
    this.#at = start;
    const value = selector === undefined ? this.#value() : this.#text.slice(start, afterSelector);
    this.#at = Math.max(this.#at, afterSelector);
    if (this.#take(MEMBERSHIP) === undefined) {
      throw this.#fault(selector === undefined ? 'in, or not in' : `${COMPARISON_WORDS}, or in`);
    }
    const holder = this.#selector();
    if (holder === undefined) throw this.#fault('a field, such as Service.Tags');
    this.matches.push({ selector: holder, operator: 'in', value });
  }

  #checkPattern(pattern: string, at: number): void {
    const fault = regexFault(pattern);
    if (fault === undefined) return;
    this.#at = at;
    throw this.#fault(fault);
  }

  /** `Service.Meta.version`, `Service.Meta["a-b"]`. */
  #selector(): readonly string[] | undefined {
    const first = this.#take(IDENTIFIER);
    if (first === undefined) return undefined;
    const parts = [first];
    for (;;) {
      if (this.#take(/\./y) !== undefined) {
        const part = this.#take(/[A-Za-z][A-Za-z0-9_]*|\d+/y);
        if (part === undefined) throw this.#fault('a name after the dot');
        parts.push(part);
      } else if (this.#take(/\[\s*/y) !== undefined) {
        const index = this.#take(QUOTED);
        if (index === undefined) throw this.#fault('"a name in double quotes"');
        parts.push(index.slice(1, -1));
        if (this.#take(/\s*\]/y) === undefined) throw this.#fault(']');
      } else return parts;
    }
  }

  #value(): string {
    const quoted = this.#take(QUOTED);
    if (quoted !== undefined) {
      // Consul reads the text between the quotes as Go does, and a quote inside ends it.
      if (quoted.startsWith('"') && !isUnquotable(quoted)) {
        this.#at -= quoted.length;
        throw this.#fault('text without a backslash or a line break, or `text in backquotes`');
      }
      return quoted.slice(1, -1);
    }
    const number = this.#take(NUMBER);
    if (number !== undefined) return number;
    const start = this.#at;
    if (this.#selector() === undefined) throw this.#fault(VALUE_WORDS);
    if (/[^\s)]/.test(this.#text[this.#at] ?? ' ')) {
      throw this.#fault('and, or, or the end; a value with such a character goes in double quotes');
    }
    return this.#text.slice(start, this.#at);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [taken] = pattern.exec(this.#text) ?? [];
    if (taken !== undefined) this.#at += taken.length;
    return taken;
  }

  #fault(expected: string): FilterFault {
    return new FilterFault(this.#at, expected);
  }
}

function isUnquotable(quoted: string): boolean {
  return !/\n/.test(quoted) && !/\\(?![abfnrtv\\"]|x[\dA-Fa-f]{2}|u[\dA-Fa-f]{4}|[0-7]{3})/.test(quoted.slice(1, -1));
}

function found(text: string, at: number): string {
  return /^\S{1,20}/.exec(text.slice(at))?.[0] ?? 'the end';
}
