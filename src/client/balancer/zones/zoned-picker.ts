import type { Random } from '../../../base/random';
import type { Connection } from '../endpoints/endpoint';
import type { PickContext, PoolPicker } from '../pickers/pool-picker';
import { DRAW_RANGE, Draws } from '../pickers/weighted-index';
import type { ZoneShares } from './zone-shares';

/** A zone of the pool with a picker for the endpoints in it. */
export interface PickedZone {
  readonly zone: string;
  readonly picker: PoolPicker;
}

/**
 * Draws the zone first, by the shares in force, and then has the algorithm pick among that zone's endpoints. Shares change in
 * place, so that a zone that comes back gradually costs no new pickers. One 32-bit draw and a comparison more than a pick
 * without zones; allocates nothing.
 */
export class ZonedPicker implements PoolPicker {
  readonly #zones: readonly PickedZone[];
  readonly #pickers: readonly PoolPicker[];
  /** Upper ends of the zones' parts of [0, 2^32): those of a first attempt. */
  readonly #limits: Float64Array;
  /** The same by capacity alone: of a further attempt, since what failed may be the zone. */
  readonly #capacityLimits: Float64Array;
  readonly #draws: Draws;

  /** The client's own zone should come first: it gets most draws. */
  constructor(zones: readonly PickedZone[], random: Random) {
    this.#zones = zones;
    this.#pickers = zones.map(({ picker }) => picker);
    this.#limits = new Float64Array(zones.length);
    this.#capacityLimits = new Float64Array(zones.length);
    this.#draws = new Draws(random);
  }

  /** Neither may leave out all zones of the picker. */
  apply(shares: ZoneShares, capacity: ZoneShares): void {
    fill(this.#limits, this.#zones, shares);
    fill(this.#capacityLimits, this.#zones, capacity);
  }

  pick(context: PickContext): Connection | undefined {
    const isFirst = context.tried === undefined;
    const limits = isFirst ? this.#limits : this.#capacityLimits;
    const draw = this.#draws.next() >>> 0;
    let zone = 0;
    while (draw >= (limits[zone] as number)) zone += 1;
    const picked = (this.#pickers[zone] as PoolPicker).pick(context);
    return picked === undefined ? this.#pickFrom(zone + 1, context) : picked;
  }

  /** The zone that was drawn has nobody that the call has not tried. */
  #pickFrom(first: number, context: PickContext): Connection | undefined {
    const count = this.#pickers.length;
    for (let step = 0; step < count; step += 1) {
      const picked = (this.#pickers[(first + step) % count] as PoolPicker).pick(context);
      if (picked !== undefined) return picked;
    }
    return undefined;
  }
}

/** The last limit is the end of the range whatever rounding has left, so that each draw finds its zone. */
function fill(limits: Float64Array, zones: readonly PickedZone[], shares: ZoneShares): void {
  let total = 0;
  for (const { zone } of zones) total += shares.get(zone) ?? 0;
  let below = 0;
  let last = 0;
  for (const [index, { zone }] of zones.entries()) {
    const share = total > 0 ? (shares.get(zone) ?? 0) / total : 1 / zones.length;
    below += share;
    limits[index] = below * DRAW_RANGE;
    if (share > 0) last = index;
  }
  limits.fill(DRAW_RANGE, last);
}
