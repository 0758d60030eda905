import type { Random } from '../../../base/random';
import type { Connection } from '../endpoints/endpoint';
import type { PickContext, PoolPicker } from '../pickers/pool-picker';
import { DRAW_RANGE, Draws } from '../pickers/weighted-index';
/** A zone of the pool with a picker for the endpoints in it. */
export interface PickedZone {
  readonly zone: string;
  readonly picker: PoolPicker;
}

/**
 * Draws the zone first, by the shares in force, and then has the algorithm pick among that zone's endpoints. Shares
 * change in place, so that a zone that comes back gradually costs no new pickers. One 32-bit draw and a comparison more
 * than a pick without zones; allocates nothing.
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

/** How one client divides its calls among the zones of a datacenter. Shares are in [0, 1] and add up to 1. */
export type ZoneShares = ReadonlyMap<string, number>;

/**
 * Divides the calls of a client in zone `own` so that every zone gets calls in proportion to its capacity, and as few
 * as possible cross. The rule is that of Envoy's zone aware routing: a zone keeps its own calls as far as its share of
 * all capacity reaches; what exceeds it goes to the zones that have capacity to spare, in proportion to what they have
 * to spare.
 *
 * It needs to know where the clients are. `clients` says how many there are in each zone; without it every zone in
 * `known` counts as having equally many.
 *
 * @param capacity Of each zone, >= 0: the sum of its weights that can take calls now. The key `''` stands for instances
 * without a zone, where no client is.
 * @param known Zones that have instances, healthy or not. A zone that has just died still has its clients.
 * @returns Empty when no zone has any capacity.
 */
export function divideByZone(
  own: string,
  capacity: ReadonlyMap<string, number>,
  known: Iterable<string>,
  clients: Readonly<Record<string, number>> | undefined,
): ZoneShares {
  const total = sum(capacity.values());
  if (total <= 0) return new Map();
  const load = clientShares(known, clients);
  const ownLoad = load.get(own) ?? 0;
  const ownCapacity = (capacity.get(own) ?? 0) / total;
  // All of it may stay. A zone whose clients nobody has counted is no reason to cross.
  if (ownCapacity > 0 && ownCapacity >= ownLoad) return new Map([[own, 1]]);
  const byCapacity = new Map([...capacity].map(([zone, each]) => [zone, each / total]));
  // Other clients do not reckon with those of this zone, so theirs go everywhere alike.
  if (ownLoad === 0) return positive(byCapacity);
  const kept = ownCapacity / ownLoad;
  const spare = new Map<string, number>();
  for (const [zone, each] of byCapacity) {
    if (zone !== own) spare.set(zone, Math.max(0, each - (load.get(zone) ?? 0)));
  }
  const allSpare = sum(spare.values());
  if (allSpare <= 0) return positive(byCapacity);
  return positive(
    new Map([[own, kept], ...[...spare].map(([zone, each]) => [zone, ((1 - kept) * each) / allSpare] as const)]),
  );
}

/** Each zone's share of all clients. */
function clientShares(
  known: Iterable<string>,
  clients: Readonly<Record<string, number>> | undefined,
): ReadonlyMap<string, number> {
  const counts: (readonly [string, number])[] =
    clients === undefined
      ? [...known].filter((zone) => zone !== '').map((zone) => [zone, 1] as const)
      : Object.entries(clients);
  const total = sum(counts.map(([, count]) => count));
  return new Map(counts.map(([zone, count]) => [zone, total > 0 ? count / total : 0]));
}

function positive(shares: ReadonlyMap<string, number>): ZoneShares {
  return new Map([...shares].filter(([, share]) => share > 0));
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
