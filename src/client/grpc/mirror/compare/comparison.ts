import { evidenceAbove, evidenceNeeded } from '../../../../base/sequential-test';

/** Fields that are counted of one route. What differs beyond them counts as one more, `(others)`. */
const MOST_FIELDS = 100;
/** A field that differs by noise alone is ever flagged with at most this chance. */
const FALSE_RATE = 1 / 2_000;
const NEEDED = evidenceNeeded(FALSE_RATE);
/** A true difference is mostly one-sided. Only how soon one is found depends on this. */
const ONE_SIDED = { bad: 5, good: 0.5 };
/** Share of the compared calls that are sent to their own destination a second time. */
const NOISE_SHARE = 0.1;
/** A field that differed in so many second copies is known for noise. */
const KNOWN_NOISE = 3;
/** For so many second copies at most a field has more than their usual share made. */
const MOST_URGENT = 3_000;

/** The answers to one call and its copies. */
export interface ComparedAnswers {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** In which fields the answer to the copy differs from that to the call. */
  readonly copy: ReadonlySet<string>;
  /** The same of the second copy, to the call's own destination; undefined: none was made, or it was not answered. */
  readonly again: ReadonlySet<string> | undefined;
  /** False: the call may not run twice at its own destination, so that nobody knows what is noise. */
  readonly isNoiseMeasured: boolean;
}

/** `unflagged`: in fields alone that differ by themselves, or of which nothing is proven yet. */
export type CompareResult = 'equal' | 'unflagged' | 'differing';

/** How answers to one method differ in one field. */
export interface FieldDifference {
  readonly method: string;
  /** `total.amount`, `items.*.id`; `(status)`: the status code, `(message)`: a message that cannot be decoded. */
  readonly field: string;
  /** Compared calls in which the copy's answer had another value. */
  readonly differing: number;
  /** Second copies at the call's own destination since the field was first seen to differ, and those that differed. */
  readonly noiseCompared: number;
  readonly noiseDiffering: number;
  /** It differs more often than two answers of the call's own destination do, or differs at all where no noise is measured. */
  readonly isFlagged: boolean;
}

interface FieldCount {
  readonly method: string;
  readonly field: string;
  readonly isNoiseMeasured: boolean;
  differing: number;
  noiseCompared: number;
  noiseDiffering: number;
  /** Calls in which just one of the two copies differed: the first, and the second. */
  onlyCopy: number;
  onlyAgain: number;
  isFlagged: boolean;
}

/**
 * Which fields of the answers differ between two destinations, beyond what differs between two answers of one.
 *
 * Some calls have a second copy, to their own destination. Were both destinations alike, the two copies' answers could
 * be exchanged: of the calls in which just one of them differs from the call's, it would be the first in half. A
 * sequential test of that share flags a field: it errs with a chance of at most `FALSE_RATE` for each field, however
 * often and whenever one looks, and however often the field changes by itself. Fields that differ and are not known for
 * noise yet have every compared call make a second copy.
 */
export class Comparison {
  compared = 0;
  equal = 0;
  unflagged = 0;
  differing = 0;
  /** Compared calls with an answer to the second copy. */
  noiseCompared = 0;
  readonly #fields = new Map<string, FieldCount>();

  /** Is the next call to have a second copy? `random`: 0..1. Must not depend on that call's answers. */
  wantsAgain(random: number): boolean {
    return random < NOISE_SHARE || this.#isUrgent();
  }

  #isUrgent(): boolean {
    for (const field of this.#fields.values()) {
      const isOpen = field.isNoiseMeasured && !field.isFlagged && field.noiseDiffering < KNOWN_NOISE;
      if (isOpen && field.noiseCompared < MOST_URGENT) return true;
    }
    return false;
  }

  /** `onFlagged` is called with each field that is flagged by this call. */
  take(answers: ComparedAnswers, onFlagged: (field: FieldDifference) => void): CompareResult {
    const { method, copy, again, isNoiseMeasured } = answers;
    this.compared += 1;
    for (const name of copy) this.#field(method, name, isNoiseMeasured).differing += 1;
    if (again !== undefined) {
      this.noiseCompared += 1;
      for (const name of again) this.#field(method, name, isNoiseMeasured);
    }
    const known = [...this.#fields.values()].filter((field) => field.method === method);
    const named = (names: ReadonlySet<string>, { field }: FieldCount): boolean =>
      names.has(field) || (field === OTHERS && [...names].some((name) => !this.#fields.has(keyOf(method, name))));
    let isDiffering = false;
    for (const field of known) {
      const isInCopy = named(copy, field);
      if (again !== undefined) count(field, isInCopy, named(again, field));
      if (!field.isFlagged && isFound(field)) {
        field.isFlagged = true;
        onFlagged(viewOf(field));
      }
      isDiffering ||= isInCopy && field.isFlagged;
    }
    const result = copy.size === 0 ? 'equal' : isDiffering ? 'differing' : 'unflagged';
    this[result] += 1;
    return result;
  }

  /** Whether calls of the method differ in this field, as `inspect()` shows it. */
  isFlagged(method: string, field: string): boolean {
    return this.#fields.get(keyOf(method, field))?.isFlagged === true;
  }

  /** Flagged ones first, then those that differ most often. */
  fields(): readonly FieldDifference[] {
    return [...this.#fields.values()]
      .map(viewOf)
      .sort((a, b) => Number(b.isFlagged) - Number(a.isFlagged) || b.differing - a.differing);
  }

  #field(method: string, name: string, isNoiseMeasured: boolean): FieldCount {
    const known = this.#fields.get(keyOf(method, name));
    if (known !== undefined) return known;
    if (this.#fields.size >= MOST_FIELDS && name !== OTHERS) return this.#field(method, OTHERS, isNoiseMeasured);
    const none = { differing: 0, noiseCompared: 0, noiseDiffering: 0, onlyCopy: 0, onlyAgain: 0, isFlagged: false };
    const field: FieldCount = { method, field: name, isNoiseMeasured, ...none };
    this.#fields.set(keyOf(method, name), field);
    return field;
  }
}

const OTHERS = '(others)';

function keyOf(method: string, field: string): string {
  return `${method} ${field}`;
}

function count(field: FieldCount, isInCopy: boolean, isInAgain: boolean): void {
  field.noiseCompared += 1;
  if (isInAgain) field.noiseDiffering += 1;
  if (isInCopy && !isInAgain) field.onlyCopy += 1;
  if (isInAgain && !isInCopy) field.onlyAgain += 1;
}

function isFound({ isNoiseMeasured, differing, onlyCopy, onlyAgain }: FieldCount): boolean {
  if (!isNoiseMeasured) return differing > 0;
  if (onlyCopy <= onlyAgain) return false;
  return evidenceAbove({ calls: onlyCopy + onlyAgain, bad: onlyCopy }, 0.5, ONE_SIDED) >= NEEDED;
}

function viewOf({ method, field, differing, noiseCompared, noiseDiffering, isFlagged }: FieldCount): FieldDifference {
  return { method, field, differing, noiseCompared, noiseDiffering, isFlagged };
}
