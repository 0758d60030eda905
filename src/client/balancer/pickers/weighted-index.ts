import type { Random } from '../../../base/random';

/** Number of values of a 32-bit draw. */
export const DRAW_RANGE = 4294967296;

/** Scatters the 32-bit integers over themselves, one to one (the finaliser of MurmurHash3). Signed. */
export function scatter(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/**
 * 32-bit draws for the hot path of a picker, signed, seeded once by the random source that was handed in. A number from
 * `Math.random` is an object of 16 bytes each time; a 32-bit integer is none, and drawing it costs 2 ns.
 */
export class Draws {
  private state: number;

  constructor(random: Random) {
    this.state = (random() * DRAW_RANGE) | 0;
  }

  next(): number {
    // Steps by the golden ratio, so that the draws of a period are all different before they are scattered.
    this.state = (this.state + 0x9e3779b9) | 0;
    return scatter(this.state);
  }

  /** All whole numbers below `limit` equally likely. */
  below(limit: number): number {
    return ((this.next() >>> 0) * (limit / DRAW_RANGE)) | 0;
  }
}

/**
 * Draws an index with a probability in proportion to its weight, in constant time: an alias table (Walker's method,
 * built after Vose), and no table at all while all weights are equal. Weights that are not finite and > 0 count as 0;
 * if nothing is left, all are equal.
 */
export class WeightedIndex {
  readonly size: number;
  readonly isUniform: boolean;
  /** Part of column i that belongs to i itself; the rest belongs to `alias[i]`. Empty when uniform. */
  private readonly keep: Float64Array;
  private readonly alias: Uint32Array;
  private readonly scale: number;

  constructor(weights: readonly number[]) {
    const clean = weights.map((weight) => (Number.isFinite(weight) && weight > 0 ? weight : 0));
    this.size = clean.length;
    this.scale = this.size / DRAW_RANGE;
    this.isUniform = clean.every((weight) => weight === clean[0]);
    this.keep = new Float64Array(this.isUniform ? 0 : this.size);
    this.alias = new Uint32Array(this.isUniform ? 0 : this.size);
    if (!this.isUniform) this.fill(clean);
  }

  /** @param draw 32-bit integer. */
  at(draw: number): number {
    const position = (draw >>> 0) * this.scale;
    const column = position | 0;
    if (this.isUniform || position - column < (this.keep[column] as number)) return column;
    return this.alias[column] as number;
  }

  private fill(weights: readonly number[]): void {
    const { keep, alias, size } = this;
    // Dividing by the largest first keeps the sum of huge weights finite.
    const largest = weights.reduce((a, b) => Math.max(a, b), 0);
    const mean = weights.reduce((sum, weight) => sum + weight / largest, 0) / size;
    const small: number[] = [];
    const large: number[] = [];
    weights.forEach((weight, index) => {
      const share = weight / largest / mean;
      keep[index] = share;
      alias[index] = index;
      (share < 1 ? small : large).push(index);
    });
    for (let low = small.pop(), high = large.at(-1); low !== undefined && high !== undefined; ) {
      alias[low] = high;
      const left = (keep[high] as number) - (1 - (keep[low] as number));
      keep[high] = left;
      if (left < 1) {
        large.pop();
        low = high;
        high = large.at(-1);
      } else {
        low = small.pop();
      }
    }
    // What rounding left over belongs to itself.
    for (const index of large) keep[index] = 1;
    for (const index of small) keep[index] = 1;
  }
}
