/** A tier that lost less than this share of its members keeps all of its calls: 1 / 1.4. */
const OVERPROVISIONING = 1.4;
/**
 * A share that comes back does so after a pause and then at this pace, so that a tier that flaps does not swing all
 * traffic.
 */
const RETURN_PAUSE_MS = 1_000;
const RETURN_PER_SECOND = 0.1;

/** What the share of a tier is kept by. */
export function spillName(subset: string, datacenter: string): string {
  return `${datacenter}\n${subset}`;
}

/** What part of its calls a tier keeps for good while `healthy` of its `known` members are well: in [0, 1]. */
export function keptShare(healthy: number, known: number, overprovisioning: number = OVERPROVISIONING): number {
  const share = known === 0 ? 1 : healthy / known;
  return share === 0 ? 0 : Math.min(1, share * overprovisioning);
}

/**
 * How much of its calls a tier keeps; the rest goes to the next one. Follows the healthy share of its known members
 * downwards at once and upwards gradually. A tier that was never bad keeps everything.
 */
export class Spill {
  /** False in normal times: the tier keeps every call. */
  isPartial = false;
  readonly #overprovisioning: number;
  #target = 1;
  /** The share at `#risingFromMs`, while it is on its way up. */
  #base = 1;
  #risingFromMs = Number.NEGATIVE_INFINITY;

  /**
   * `overprovisioning`: how many times its share the healthy part takes on. Infinite: all of it, while there is
   * anybody.
   */
  constructor(overprovisioning: number = OVERPROVISIONING) {
    this.#overprovisioning = overprovisioning;
  }

  /** `healthy` of `known` members are well. Times are monotonic milliseconds. */
  update(healthy: number, known: number, nowMs: number): void {
    this.#aim(keptShare(healthy, known, this.#overprovisioning), nowMs);
  }

  #aim(target: number, nowMs: number): void {
    if (target === this.#target) return;
    const share = this.share(nowMs);
    this.#target = target;
    if (target <= share) {
      this.#base = target;
      this.#risingFromMs = Number.NEGATIVE_INFINITY;
    } else if (this.#risingFromMs === Number.NEGATIVE_INFINITY || share !== this.#base) {
      this.#base = share;
      this.#risingFromMs = nowMs + RETURN_PAUSE_MS;
    }
    this.isPartial = this.#target < 1 || this.#base < 1;
  }

  /** In [0, 1]. */
  share(nowMs: number): number {
    if (this.#base >= this.#target) return this.#target;
    const risenFor = Math.max(0, nowMs - this.#risingFromMs);
    const share = this.#base + (risenFor / 1000) * RETURN_PER_SECOND;
    if (share < this.#target) return share;
    this.#base = this.#target;
    this.isPartial = this.#target < 1;
    return this.#target;
  }
}
