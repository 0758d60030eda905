import type { Logger } from '../../base/logger';
import type { PolicyReading } from '../../policy/policy-reading';
import { parseValueList, type ValueList, type ValueLists } from '../../policy/value-list';
import type { PolicySource } from './policy-sources/source';

/** How a service gets at the lists of values that its plan names. */
export interface ListWatch {
  /**
   * Follows these lists, those of the plan in force (`kept`), and no others. True: each of `names` is known, or known to
   * be missing. Those that are not keep a new plan out of force.
   */
  follow(names: readonly string[], kept?: readonly string[]): boolean;
  /** Why they are not all known: `list beta-users: not known (HTTP 403)`. */
  pending(): readonly string[];
  close(): void;
}

const NO_NAMES: readonly string[] = [];

interface Held {
  values: ValueList | undefined;
  /** Why it cannot be read, or is no list. */
  failure: string | undefined;
  /** It was looked for, and there is none. */
  isMissing: boolean;
  users: number;
  close(): void;
}

/**
 * The lists of values of one Graylane client, shared by its services. A list that cannot be read, or is none, stays as it
 * was; one that is deleted stays, too, until there is another. A change holds for the next call, without a new plan.
 */
export class ValueListStore implements ValueLists {
  readonly #sourceOf: (name: string) => PolicySource | undefined;
  readonly #logger: Logger;
  readonly #held = new Map<string, Held>();
  readonly #listeners = new Set<() => void>();
  /** What was known before, of this process or an earlier one. It serves where reading fails. */
  readonly #remembered = new Map<string, ValueList>();

  /** `sourceOf`: undefined where there is none, so that the list has no values. */
  constructor(sourceOf: (name: string) => PolicySource | undefined, logger: Logger) {
    this.#sourceOf = sourceOf;
    this.#logger = logger;
  }

  get(name: string): ValueList | undefined {
    return this.#held.get(name)?.values;
  }

  /** What is wrong with these lists, for `inspect()` and logs. */
  problems(names: readonly string[]): readonly { readonly path: string; readonly message: string }[] {
    return names.flatMap((name) => {
      const { failure, isMissing = false } = this.#held.get(name) ?? {};
      if (failure === undefined && !isMissing) return [];
      const kept = this.get(name) === undefined ? '' : '; its last values stay';
      const what = isMissing ? `nothing at graylane/lists/${name}, so no value matches` : failure;
      return [
        { path: `list ${name}`, message: `list ${name}: ${isMissing && kept !== '' ? 'it is gone' : what}${kept}` },
      ];
    });
  }

  /** Of an earlier process. */
  restore(name: string, values: ValueList): void {
    if (!this.#remembered.has(name)) this.#remembered.set(name, values);
    const held = this.#held.get(name);
    if (held === undefined || held.values !== undefined || held.failure === undefined) return;
    held.values = values;
    this.#tell();
  }

  /** `onKnown`: one of the lists has become known. Called asynchronously. */
  watch(onKnown: () => void): ListWatch {
    let wanted: readonly string[] = NO_NAMES;
    let followed: readonly string[] = NO_NAMES;
    this.#listeners.add(onKnown);
    const isKnown = (name: string): boolean => {
      const held = this.#held.get(name);
      return held?.values !== undefined || held?.isMissing === true;
    };
    const follow = (names: readonly string[], kept: readonly string[] = NO_NAMES): boolean => {
      const all = [...names, ...kept.filter((name) => !names.includes(name))];
      for (const name of all) if (!followed.includes(name)) this.#acquire(name);
      for (const name of followed) if (!all.includes(name)) this.#release(name);
      followed = all;
      wanted = names;
      return names.every(isKnown);
    };
    return {
      follow,
      pending: () =>
        wanted
          .filter((name) => !isKnown(name))
          .map((name) => `list ${name}: not known (${this.#held.get(name)?.failure ?? 'no answer yet'})`),
      close: () => {
        follow([]);
        this.#listeners.delete(onKnown);
      },
    };
  }

  #acquire(name: string): void {
    const known = this.#held.get(name);
    if (known !== undefined) {
      known.users += 1;
      return;
    }
    const source = this.#sourceOf(name);
    const held: Held = { values: undefined, failure: undefined, isMissing: false, users: 1, close: () => {} };
    this.#held.set(name, held);
    if (source === undefined) held.isMissing = true;
    else {
      const watch = source.watch(name, (reading) => {
        if (this.#held.get(name) === held) this.#read(name, held, reading);
      });
      held.close = () => watch.close();
    }
  }

  #release(name: string): void {
    const held = this.#held.get(name);
    if (held === undefined) return;
    held.users -= 1;
    if (held.users > 0) return;
    held.close();
    this.#held.delete(name);
    if (held.values !== undefined) this.#remembered.set(name, held.values);
  }

  #read(name: string, held: Held, reading: PolicyReading): void {
    const former = held.failure;
    held.isMissing = reading.kind === 'absent';
    held.failure = undefined;
    if (reading.kind === 'present') {
      const values = parseValueList(String(reading.content));
      if (typeof values === 'string') held.failure = values;
      else held.values = values;
    } else if (reading.kind === 'error') held.failure = reading.reason;
    if (held.failure !== undefined) {
      held.values ??= this.#remembered.get(name);
      if (held.failure !== former) {
        this.#logger.warn('a list of values cannot be read; what was known of it stays', {
          list: name,
          reason: held.failure,
        });
      }
    }
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
