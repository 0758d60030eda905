/** How one client divides its calls among the zones of a datacenter. Shares are in [0, 1] and add up to 1. */
export type ZoneShares = ReadonlyMap<string, number>;

/**
 * Divides the calls of a client in zone `own` so that every zone gets calls in proportion to its capacity, and as few as
 * possible cross. The rule is that of Envoy's zone aware routing: a zone keeps its own calls as far as its share of all
 * capacity reaches; what exceeds it goes to the zones that have capacity to spare, in proportion to what they have to spare.
 *
 * It needs to know where the clients are. `clients` says how many there are in each zone; without it every zone in `known`
 * counts as having equally many.
 *
 * @param capacity Of each zone, >= 0: the sum of its weights that can take calls now. The key `''` stands for instances
 *   without a zone, where no client is.
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
