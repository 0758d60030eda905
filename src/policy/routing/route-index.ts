import type { Labels } from './call';
import type { RouteStep } from './program';

/** Routes that share a label with exact values; fewer are as quickly looked at one by one. */
const MIN_INDEXED = 4;
const END = Number.MAX_SAFE_INTEGER;
const NONE: readonly number[] = [];

/** Reads a label slot for the decision at hand. */
export interface SlotReader {
  read(slot: number, labels: Labels, generation: number): string | undefined;
}

/**
 * Which routes of a list a call can match at all, in order: those that want an exact value of some label are found by
 * that value, the rest is always looked at. So a thousand routes that differ by tenant cost about as much as one. Holds
 * the place of one walk at a time; deciding is synchronous.
 */
export class RouteIndex {
  readonly #steps: readonly RouteStep[];
  readonly #slots: readonly number[];
  /** For each of `#slots`: positions in `#steps` by the value that they want. */
  readonly #byValue: readonly ReadonlyMap<string, readonly number[]>[];
  /** What is being merged in this walk: the routes without a value, then one list for each slot. */
  readonly #lists: (readonly number[])[];
  readonly #cursors: number[];

  constructor(steps: readonly RouteStep[]) {
    this.#steps = steps;
    const slotOf = chooseSlots(steps);
    this.#slots = [...new Set(slotOf)].filter((slot) => slot >= 0);
    const byValue = this.#slots.map(() => new Map<string, number[]>());
    const always: number[] = [];
    steps.forEach((step, position) => {
      const slot = slotOf[position] ?? -1;
      const index = byValue[this.#slots.indexOf(slot)];
      if (index === undefined) {
        always.push(position);
        return;
      }
      for (const value of new Set(exactValues(step, slot))) {
        const positions = index.get(value);
        if (positions === undefined) index.set(value, [position]);
        else positions.push(position);
      }
    });
    this.#byValue = byValue;
    this.#lists = [always, ...byValue.map(() => NONE)];
    this.#cursors = this.#lists.map(() => 0);
  }

  /** Every route of the list, in order. */
  get all(): readonly RouteStep[] {
    return this.#steps;
  }

  /** Begins a walk for a call with these labels. */
  start(reader: SlotReader, labels: Labels, generation: number): void {
    this.#cursors[0] = 0;
    for (let at = 0; at < this.#slots.length; at += 1) {
      const value = reader.read(this.#slots[at] as number, labels, generation);
      this.#lists[at + 1] = value === undefined ? NONE : (this.#byValue[at]?.get(value) ?? NONE);
      this.#cursors[at + 1] = 0;
    }
  }

  /** The next route that may match; undefined at the end. */
  next(): RouteStep | undefined {
    let nearest = END;
    let from = 0;
    for (let at = 0; at < this.#lists.length; at += 1) {
      const position = this.#lists[at]?.[this.#cursors[at] as number];
      if (position === undefined || position >= nearest) continue;
      nearest = position;
      from = at;
    }
    if (nearest === END) return undefined;
    this.#cursors[from] = (this.#cursors[from] as number) + 1;
    return this.#steps[nearest];
  }
}

/** For each route the slot that it is found by, the one that most routes have an exact value of; -1: it is not indexed. */
function chooseSlots(steps: readonly RouteStep[]): readonly number[] {
  const counts = new Map<number, number>();
  for (const step of steps) {
    for (const slot of new Set(exactSlots(step))) counts.set(slot, (counts.get(slot) ?? 0) + 1);
  }
  return steps.map((step) => {
    let best = -1;
    let most = MIN_INDEXED - 1;
    for (const slot of exactSlots(step)) {
      const count = counts.get(slot) ?? 0;
      if (count > most) {
        best = slot;
        most = count;
      }
    }
    return best;
  });
}

function exactSlots(step: RouteStep): readonly number[] {
  return step.labels.filter(({ condition }) => condition.exact !== undefined).map(({ slot }) => slot);
}

function exactValues(step: RouteStep, slot: number): readonly string[] {
  return step.labels.find((each) => each.slot === slot && each.condition.exact !== undefined)?.condition.exact ?? [];
}
