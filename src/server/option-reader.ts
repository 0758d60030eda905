import { GraylaneError } from '../base/errors';
import { isRecord } from '../base/is-record';
import { keyProblems } from '../base/option-keys';

interface NumberRule {
  readonly low: number;
  readonly high: number;
  readonly isInteger?: boolean;
  /** Left out: the option must be given. */
  readonly fallback?: number;
}

/** Reads the options of one object and gathers what is wrong with them, to be thrown all at once. */
export class OptionReader {
  readonly #given: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #problems: string[];

  /** `parent`: whose problems these are too. */
  constructor(given: unknown, path: string, keys: readonly string[], parent?: OptionReader) {
    this.#path = path;
    this.#problems = parent === undefined ? [] : parent.#problems;
    this.#given = isRecord(given) ? given : {};
    this.#problems.push(...keyProblems(given, path, keys));
  }

  value(key: string): unknown {
    return this.#given[key];
  }

  problem(key: string, shown: string, expected: string): void {
    this.#problems.push(`${this.#path}.${key}: ${shown} (expected: ${expected})`);
  }

  throwProblems(): void {
    if (this.#problems.length > 0) throw new GraylaneError('INVALID_OPTION', this.#problems.join('\n'));
  }

  collect<T>(parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      this.#problems.push(error instanceof GraylaneError ? error.message : String(error));
      return undefined;
    }
  }

  optional<T>(key: string, parse: () => T): T | undefined {
    return this.#given[key] === undefined ? undefined : parse();
  }

  text(key: string, pattern: RegExp, expected: string): string | undefined {
    const value = this.#given[key];
    if (typeof value === 'string' && pattern.test(value)) return value;
    this.problem(key, show(value), expected);
    return undefined;
  }

  texts(key: string): readonly string[] {
    const value = this.#given[key];
    if (value === undefined) return [];
    const isText = (each: unknown): each is string => typeof each === 'string' && /^[^\p{Cc}]+$/u.test(each);
    if (Array.isArray(value) && value.every(isText)) return [...value];
    this.problem(key, show(value), 'a list of strings without control characters');
    return [];
  }

  number(key: string, rule: NumberRule): number | undefined {
    const value = this.#given[key];
    if (value === undefined && rule.fallback !== undefined) return rule.fallback;
    const isRight = typeof value === 'number' && value >= rule.low && value <= rule.high;
    if (isRight && (rule.isInteger !== true || Number.isInteger(value))) return value;
    this.problem(key, show(value), `${rule.low}..${rule.high}`);
    return rule.fallback;
  }

  flag(key: string): boolean {
    const value = this.#given[key];
    if (value !== undefined && typeof value !== 'boolean') this.problem(key, show(value), 'true or false');
    return value === true;
  }

  record(key: string): Readonly<Record<string, unknown>> {
    const value = this.#given[key];
    if (value === undefined || isRecord(value)) return value ?? {};
    this.problem(key, show(value), 'strings by name');
    return {};
  }

  /** Undefined when the option is left out. */
  inner(key: string, keys: readonly string[]): OptionReader | undefined {
    const value = this.#given[key];
    return value === undefined ? undefined : new OptionReader(value, `${this.#path}.${key}`, keys, this);
  }

  /** An object of somebody else's that must have all the methods of one of these lists. */
  methods(key: string, ...lists: readonly (readonly string[])[]): void {
    const value = this.#given[key];
    if (value === undefined) return;
    const has = (name: string): boolean =>
      typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[name] === 'function';
    if (lists.some((names) => names.every(has))) return;
    const expected = lists.map((names) => names.map((name) => `${name}()`).join(' and '));
    this.problem(key, value === null ? 'null' : typeof value, `an object with ${expected.join(', or ')}`);
  }
}

function show(value: unknown): string {
  if (value === undefined) return 'missing';
  return typeof value === 'number' ? String(value) : (JSON.stringify(value)?.slice(0, 80) ?? typeof value);
}
