import { isRecord } from '../../base/is-record';
import { parseDuration } from '../../policy/chain/graph';
import type { PolicyProblem } from '../../policy/plan';
import { showValue } from '../../policy/problems';

export type Fields = Readonly<Record<string, unknown>>;

/** The longest that a document takes: 24 days. */
const LONGEST_MS = 2_147_483_647;

/** Gathers what of Istio's resources a policy document does not say, by path: `VirtualService/payments.http[0].mirror`. */
export class IstioReport {
  readonly #unmapped = new Map<string, PolicyProblem>();

  get unmapped(): readonly PolicyProblem[] {
    return [...this.#unmapped.values()];
  }

  /** `what`: what happens instead, or why not. Each path once. */
  cannot(path: string, what: string): void {
    if (!this.#unmapped.has(path)) this.#unmapped.set(path, { path, message: `${path}: ${what}` });
  }

  /** Every field that is there and not among `known`. */
  others(path: string, fields: Fields, known: readonly string[], what: Readonly<Record<string, string>> = {}): void {
    for (const name of Object.keys(fields)) {
      if (known.includes(name) || fields[name] === undefined || fields[name] === null) continue;
      this.cannot(`${path}.${name}`, Object.hasOwn(what, name) ? `${what[name]}` : 'not mapped');
    }
  }

  /** Milliseconds above 0 of a duration such as `1.5s`; undefined where there is none, or none that can be read, which is reported. */
  duration(value: unknown, path: string): number | undefined {
    if (value === undefined || value === null) return undefined;
    const ms = typeof value === 'string' ? parseDuration(value) : undefined;
    if (ms !== undefined && ms > 0) return Math.min(ms, LONGEST_MS);
    // Istio's way to say that there is no limit.
    if (ms !== 0) this.cannot(path, `${showValue(value)} (expected: a duration such as 1.5s)`);
    return undefined;
  }
}

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

/** Own field, whatever its name. */
export function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return isRecord(value) ? Object.entries(value) : [];
}
