import { GraylaneError, type GraylaneErrorCode } from './errors';
import { isRecord } from './is-record';
import { shorten, showValue } from './shorten';
import { nearest } from './spelling';

interface NumberRule {
  readonly low: number;
  readonly high: number;
  readonly isInteger?: boolean;
  /** Left out: the option must be given. */
  readonly fallback?: number;
}

/** Reads the options of one object and gathers what is wrong with them, to be thrown all at once. */
export class OptionReader {
  /** What is wrong, one problem a line, as `path.key: value (expected: ...)`. */
  readonly problems: string[];
  readonly #given: Readonly<Record<string, unknown>>;
  readonly #path: string;

  /**
   * `path`: '' for options that have no name of their own. `problems`: where the problems of an outer object go too.
   */
  constructor(given: unknown, path: string, keys: readonly string[], problems: string[] = []) {
    this.#path = path;
    this.problems = problems;
    this.#given = isRecord(given) ? given : {};
    problems.push(...keyProblems(given, path, keys));
  }

  value(key: string): unknown {
    return this.#given[key];
  }

  problem(key: string, shown: string, expected: string): void {
    this.problems.push(`${this.#pathOf(key)}: ${shown} (expected: ${expected})`);
  }

  throwProblems(): void {
    throwProblems(this.problems);
  }

  collect<T>(parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      this.problems.push(error instanceof GraylaneError ? error.message : String(error));
      return undefined;
    }
  }

  optional<T>(key: string, parse: () => T): T | undefined {
    return this.#given[key] === undefined ? undefined : parse();
  }

  text(key: string, pattern: RegExp, expected: string): string | undefined {
    const value = this.#given[key];
    if (typeof value === 'string' && pattern.test(value)) return value;
    this.problem(key, showValue(value), expected);
    return undefined;
  }

  texts(key: string): readonly string[] {
    const value = this.#given[key];
    if (value === undefined) return [];
    const isText = (each: unknown): each is string => typeof each === 'string' && /^[^\p{Cc}]+$/u.test(each);
    if (Array.isArray(value) && value.every(isText)) return [...value];
    this.problem(key, showValue(value), 'a list of strings without control characters');
    return [];
  }

  number(key: string, rule: NumberRule & { readonly fallback: number }): number;
  number(key: string, rule: NumberRule): number | undefined;
  number(key: string, rule: NumberRule): number | undefined {
    const value = this.#given[key];
    if (value === undefined && rule.fallback !== undefined) return rule.fallback;
    const isRight = typeof value === 'number' && value >= rule.low && value <= rule.high;
    if (isRight && (rule.isInteger !== true || Number.isInteger(value))) return value;
    this.problem(key, showValue(value), `${rule.low}..${rule.high}`);
    return rule.fallback;
  }

  flag(key: string, fallback = false): boolean {
    const value = this.#given[key];
    if (value === undefined) return fallback;
    if (typeof value !== 'boolean') this.problem(key, showValue(value), 'true or false');
    return value === true;
  }

  oneOf<T extends string>(key: string, values: readonly T[], fallback: T): T {
    const value = this.#given[key] ?? fallback;
    if (values.includes(value as T)) return value as T;
    this.problem(key, showValue(value), values.join(', '));
    return fallback;
  }

  record(key: string): Readonly<Record<string, unknown>> {
    const value = this.#given[key];
    if (value === undefined || isRecord(value)) return value ?? {};
    this.problem(key, showValue(value), 'strings by name');
    return {};
  }

  /** Undefined when the option is left out. */
  inner(key: string, keys: readonly string[]): OptionReader | undefined {
    const value = this.#given[key];
    return value === undefined ? undefined : new OptionReader(value, this.#pathOf(key), keys, this.problems);
  }

  /** An object of foreign code that must have all the methods of one of these lists. */
  methods(key: string, ...lists: readonly (readonly string[])[]): void {
    const value = this.#given[key];
    if (value === undefined) return;
    const has = (name: string): boolean =>
      typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[name] === 'function';
    if (lists.some((names) => names.every(has))) return;
    const expected = lists.map((names) => names.map((name) => `${name}()`).join(' and '));
    this.problem(key, value === null ? 'null' : typeof value, `an object with ${expected.join(', or ')}`);
  }

  #pathOf(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }
}

/** Of one object; of the rest, how many there are. */
const MOST_TOLD = 50;

/** Throws where there are problems, each on a line of its own. */
export function throwProblems(problems: readonly string[], code: GraylaneErrorCode = 'INVALID_OPTION'): void {
  if (problems.length === 0) return;
  const more = problems.length - MOST_TOLD;
  const told = more <= 0 ? problems : [...problems.slice(0, MOST_TOLD), `and ${more} more`];
  throw new GraylaneError(code, told.join('\n'));
}

/**
 * What is wrong with the shape of an object of options: one problem for each unknown key, or one problem where the
 * value is no object at all. Each reads `consul.adress: unknown (expected: address, token; did you mean address?)`.
 * `path`: '' for options that have no name of their own.
 */
export function keyProblems(given: unknown, path: string, known: readonly string[]): string[] {
  if (!isRecord(given)) {
    return [`${path === '' ? 'options' : path}: ${kindOf(given)} (expected: an object with ${known.join(', ')})`];
  }
  return Object.keys(given)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const meant = nearest(key, known);
      const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
      return `${path === '' ? '' : `${path}.`}${shorten(key)}: unknown (expected: ${known.join(', ')}${hint})`;
    });
}

/** By kind only, as options hold tokens. */
function kindOf(given: unknown): string {
  if (given === null || given === undefined) return String(given);
  return Array.isArray(given) ? 'a list' : typeof given === 'string' ? 'a string' : `a ${typeof given}`;
}
