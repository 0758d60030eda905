import { isRecord } from '../../base/is-record';
import { keyProblems } from '../../base/option-keys';

/** What is made of an answer of the registry that suddenly lists far less than before. */
export interface ProtectionOptions {
  /**
   * An answer without any instance is believed when so many reads in a row agree. 1..10, default 3; 1: at once. An explicit
   * `critical` is always believed at once, and an answer that is empty for want of permission never.
   */
  readonly confirmations?: number;
  /** The time that those reads must span. 0..600000 ms, default 30000. */
  readonly windowMs?: number;
  /**
   * When more than this share of the usable instances, and at least two, vanish in one answer without others in their
   * place, those that vanished and still answer are kept as the last tier. 0..100 %, default 15; 100: never.
   */
  readonly massLossPercentage?: number;
  /** How long they are kept. 0..60000 ms, default 60000. */
  readonly absentGraceMs?: number;
  /** Services whose answers are believed as they come. */
  readonly except?: readonly string[];
}

/** {@link ProtectionOptions} with all defaults applied. */
export type Protection = Required<ProtectionOptions>;

export const DEFAULT_PROTECTION: Protection = {
  confirmations: 3,
  windowMs: 30_000,
  massLossPercentage: 15,
  absentGraceMs: 60_000,
  except: [],
};

/** Every answer is believed as it comes. */
export const NO_PROTECTION: Protection = {
  ...DEFAULT_PROTECTION,
  confirmations: 1,
  massLossPercentage: 100,
  absentGraceMs: 0,
};

/** Most that a number may be; the least is 0, and 1 for `confirmations`. */
const MOST = { confirmations: 10, windowMs: 600_000, massLossPercentage: 100, absentGraceMs: 60_000 } as const;

/** Adds what is wrong to `problems`, as `protection.windowMs: -1 (expected: 0..600000)`, and goes on with the default. */
export function parseProtection(problems: string[], given: ProtectionOptions | false | undefined): Protection {
  if (given === undefined) return DEFAULT_PROTECTION;
  if (given === false) return NO_PROTECTION;
  const isObject: boolean = isRecord(given);
  if (!isObject) {
    problems.push(`protection: ${JSON.stringify(given)} (expected: an object, or false)`);
    return DEFAULT_PROTECTION;
  }
  problems.push(...keyProblems(given, 'protection', Object.keys(DEFAULT_PROTECTION)));
  const number = (key: keyof typeof MOST): number => {
    const value = given[key] ?? DEFAULT_PROTECTION[key];
    const least = key === 'confirmations' ? 1 : 0;
    const isWhole = key !== 'confirmations' || Number.isInteger(value);
    if (typeof value === 'number' && value >= least && value <= MOST[key] && isWhole) return value;
    problems.push(`protection.${key}: ${String(value)} (expected: ${least}..${MOST[key]})`);
    return DEFAULT_PROTECTION[key];
  };
  const except = given.except ?? [];
  if (!Array.isArray(except) || !except.every((name) => typeof name === 'string' && name !== '')) {
    problems.push(`protection.except: ${JSON.stringify(except)} (expected: a list of service names)`);
  }
  return {
    confirmations: number('confirmations'),
    windowMs: number('windowMs'),
    massLossPercentage: number('massLossPercentage'),
    absentGraceMs: number('absentGraceMs'),
    except,
  };
}
