import { isRecord } from '../../base/is-record';
import { shortenMiddle, showValue } from '../../base/shorten';
import { MAX_PROBLEMS } from '../limits';
import type { PolicyProblem } from '../plan';

const MOST_PATH_CHARACTERS = 200;

/** What a compiled chain is read from: JSON as Consul wrote it. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * Gathers what is wrong with a chain, which is then refused whole, and what of a sound one cannot be honoured: a policy
 * warning that begins with the field's path.
 */
export class ChainReport {
  readonly #problems = new Map<string, PolicyProblem>();
  readonly #warnings = new Map<string, PolicyProblem>();

  get problems(): readonly PolicyProblem[] {
    return [...this.#problems.values()];
  }

  get warnings(): readonly PolicyProblem[] {
    return [...this.#warnings.values()];
  }

  /** The chain is no sound one. */
  refuse(path: string, value: unknown, expected: string): void {
    add(this.#problems, path, `${showValue(value)} (expected: ${expected})`);
  }

  /** A field that is not honoured, and what happens instead. The same once. */
  cannot(path: string, instead: string): void {
    add(this.#warnings, path, instead);
  }

  /** Reports each field that is set and unknown here: newer servers have more. True when there are any. */
  unknown(path: string, fields: Fields, known: readonly string[], instead = 'as if it were not there'): boolean {
    const others = Object.keys(fields).filter((name) => !known.includes(name) && isSet(fields[name]));
    for (const name of others) this.cannot(`${path}.${name}`, `not known to this version; ${instead}`);
    return others.length > 0;
  }
}

/** Each message once, and a bounded number of them. */
function add(told: Map<string, PolicyProblem>, path: string, text: string): void {
  const where = shortenMiddle(path, MOST_PATH_CHARACTERS);
  const message = `${where}: ${text}`;
  if (told.has(message) || told.size > MAX_PROBLEMS) return;
  const isLast = told.size === MAX_PROBLEMS;
  told.set(message, { path: where, message: isLast ? `${where}: and more that is not told` : message });
}

/** Consul leaves empty fields out, but not all of them at every version. */
export function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false || value === 0) return false;
  if (Array.isArray(value)) return value.length > 0;
  return isRecord(value) ? Object.values(value).some(isSet) : true;
}

/** An object, or one without fields. */
export function fieldsOf(value: unknown): Fields {
  return isRecord(value) ? value : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A text that is not empty. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
