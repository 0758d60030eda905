import type { Instance } from '../../base/instances';
import { isRecord } from '../../base/is-record';
import { OptionReader } from '../../base/option-reader';
import { showValue } from '../../base/shorten';

/** What is made of an answer of the registry that suddenly lists far less than before. */
export interface ProtectionOptions {
  /**
   * An answer without any instance is believed when so many reads in a row agree. 1..10, default 3; 1: at once. An
   * explicit `critical` is always believed at once, and an answer that is empty for want of permission never.
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

/**
 * Adds what is wrong to `problems`, as `protection.windowMs: -1 (expected: 0..600000)`, and goes on with the default.
 */
export function parseProtection(problems: string[], given: ProtectionOptions | false | undefined): Protection {
  if (given === undefined) return DEFAULT_PROTECTION;
  if (given === false) return NO_PROTECTION;
  const isObject: boolean = isRecord(given);
  if (!isObject) {
    problems.push(`protection: ${showValue(given)} (expected: an object, or false)`);
    return DEFAULT_PROTECTION;
  }
  const read = new OptionReader(given, 'protection', Object.keys(DEFAULT_PROTECTION), problems);
  const number = (key: keyof typeof MOST): number => {
    const rule = { low: 0, high: MOST[key], fallback: DEFAULT_PROTECTION[key] };
    return read.number(key, key === 'confirmations' ? { ...rule, low: 1, isInteger: true } : rule);
  };
  const except = given.except ?? [];
  if (!Array.isArray(except) || !except.every((name) => typeof name === 'string' && name !== '')) {
    read.problem('except', showValue(except), 'a list of service names');
  }
  return {
    confirmations: number('confirmations'),
    windowMs: number('windowMs'),
    massLossPercentage: number('massLossPercentage'),
    absentGraceMs: number('absentGraceMs'),
    except,
  };
}

type Judgement =
  /** No instance is listed any more: what was known stays until further reads, `againInMs` apart, say the same. */
  | { readonly kind: 'pending'; readonly againInMs: number }
  | {
      readonly kind: 'believed';
      /** So many vanished at once that those that still answer are kept as the last tier. */
      readonly massLoss: number | undefined;
      /** The answer is empty, and was doubt until now. */
      readonly isConfirmed: boolean;
    };

interface Absence {
  readonly instance: Instance;
  readonly untilMs: number;
}

const NOBODY: readonly Instance[] = [];
/** One that leaves alone leaves on purpose, however small the pool. */
const LEAST_MASS_LOSS = 2;

/**
 * Doubts an answer that suddenly lists far less than before: registries lose their state, agents come back without
 * their services, permissions are taken away, and in none of these cases did the instances stop.
 */
export class LossGuard {
  readonly #protection: Protection;
  readonly #absences = new Map<string, Absence>();
  #doubt: { readonly sinceMs: number; reads: number } | undefined;
  #absent = NOBODY;

  constructor(protection: Protection) {
    this.#protection = protection;
  }

  /**
   * Judges a well-formed answer against what is in force. Both lists are ordered by key. `isPartial`: Consul has left
   * out what the token may not see, so that whatever has vanished, be it one, may well be there.
   */
  judge(before: readonly Instance[], listed: readonly Instance[], nowMs: number, isPartial = false): Judgement {
    const { windowMs, confirmations } = this.#protection;
    const isEmptied = listed.length === 0 && before.some(isUsable);
    if (isEmptied && this.#isDoubted(nowMs)) {
      return { kind: 'pending', againInMs: Math.max(1, windowMs / Math.max(1, confirmations - 1)) };
    }
    const isConfirmed = isEmptied && this.#doubt !== undefined;
    this.#doubt = undefined;
    if (isConfirmed) {
      this.#dropAbsences(() => true);
      return { kind: 'believed', massLoss: undefined, isConfirmed };
    }
    const massLoss = this.#noticeMassLoss(before, listed, nowMs, isPartial);
    if (this.#absences.size > 0) {
      const keys = new Set(listed.map((instance) => instance.key));
      const addresses = new Set(listed.map(addressOf));
      this.#dropAbsences(({ instance }) => keys.has(instance.key) || addresses.has(addressOf(instance)));
    }
    return { kind: 'believed', massLoss, isConfirmed };
  }

  /** The reads that confirm each other must be in a row: something else came in between. */
  interrupt(): void {
    this.#doubt = undefined;
  }

  /** Those that vanished with many others and whose time is not over; the same array as long as nothing changed. */
  absent(nowMs: number): readonly Instance[] {
    if (this.#absences.size > 0) this.#dropAbsences(({ untilMs }) => untilMs <= nowMs);
    return this.#absent;
  }

  /** When the next of them is forgotten. */
  get nextExpiryMs(): number | undefined {
    const times = [...this.#absences.values()].map(({ untilMs }) => untilMs);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #isDoubted(nowMs: number): boolean {
    const { confirmations, windowMs } = this.#protection;
    if (confirmations <= 1) return false;
    this.#doubt ??= { sinceMs: nowMs, reads: 0 };
    this.#doubt.reads += 1;
    return this.#doubt.reads < confirmations || nowMs - this.#doubt.sinceMs < windowMs;
  }

  #dropAbsences(isOver: (absence: Absence) => boolean): void {
    for (const [key, absence] of this.#absences) if (isOver(absence)) this.#absences.delete(key);
    if (this.#absences.size !== this.#absent.length) this.#listAbsent();
  }

  #listAbsent(): void {
    this.#absent = [...this.#absences.values()].map(({ instance }) => instance);
  }

  #noticeMassLoss(
    before: readonly Instance[],
    listed: readonly Instance[],
    nowMs: number,
    isPartial: boolean,
  ): number | undefined {
    const { absentGraceMs, massLossPercentage } = this.#protection;
    if (absentGraceMs === 0 || (massLossPercentage >= 100 && !isPartial)) return undefined;
    const { gone, joined } = difference(before, listed);
    const usable = before.filter(isUsable).length;
    const isMany = (count: number): boolean =>
      isPartial ? count > 0 : count >= LEAST_MASS_LOSS && (count - joined) * 100 > massLossPercentage * usable;
    if (!isMany(gone.length)) return undefined;
    // One that is registered anew at the same address has not vanished.
    const addresses = new Set(listed.map(addressOf));
    const lost = gone.filter((instance) => !addresses.has(addressOf(instance)));
    if (!isMany(lost.length)) return undefined;
    for (const instance of lost) this.#absences.set(instance.key, { instance, untilMs: nowMs + absentGraceMs });
    this.#listAbsent();
    return lost.length;
  }
}

/** Usable instances that are not listed any more, and how many usable ones are new. */
function difference(
  before: readonly Instance[],
  listed: readonly Instance[],
): { readonly gone: readonly Instance[]; readonly joined: number } {
  const gone: Instance[] = [];
  let joined = 0;
  let at = 0;
  for (const instance of listed) {
    while (at < before.length && (before[at] as Instance).key < instance.key) {
      gone.push(before[at] as Instance);
      at += 1;
    }
    if (before[at]?.key === instance.key) at += 1;
    else if (isUsable(instance)) joined += 1;
  }
  gone.push(...before.slice(at));
  return { gone: gone.filter(isUsable), joined };
}

function isUsable(instance: Instance): boolean {
  return instance.status !== 'critical' && instance.weight > 0;
}

function addressOf(instance: Instance): string {
  return `${instance.address} ${instance.port}`;
}
