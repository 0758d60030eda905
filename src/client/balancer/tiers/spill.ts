import { Withheld } from './withheld';

/** A tier that lost less than this share of its members keeps all of its calls: 1 / 1.4. */
const OVERPROVISIONING = 1.4;

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
  readonly #withheld = new Withheld();

  /**
   * `overprovisioning`: how many times its share the healthy part takes on. Infinite: all of it, while there is
   * anybody.
   */
  constructor(overprovisioning: number = OVERPROVISIONING) {
    this.#overprovisioning = overprovisioning;
  }

  /** `healthy` of `known` members are well. Times are monotonic milliseconds. */
  update(healthy: number, known: number, nowMs: number): void {
    this.#withheld.update(1 - keptShare(healthy, known, this.#overprovisioning), 1, nowMs);
    this.isPartial = this.#withheld.at(nowMs) > 0;
  }

  /** In [0, 1]. */
  share(nowMs: number): number {
    const withheld = this.#withheld.at(nowMs);
    if (withheld === 0) this.isPartial = false;
    return 1 - withheld;
  }
}
