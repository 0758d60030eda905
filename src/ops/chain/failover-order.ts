import type { PlannedTier } from '../../policy/plan';

/** What a document says of the order in which places and subsets are tried. */
export interface WrittenOrder {
  readonly local: string;
  /** Of `locality.failover`. */
  readonly failover: readonly string[];
  readonly prefer: 'subset' | 'datacenter';
  /** By subset. */
  readonly fallbacks: ReadonlyMap<string, WrittenFallback>;
}

interface WrittenFallback {
  readonly subset: string;
  /** The only place that it serves at; undefined: where the subset before it serves. */
  readonly place: string | undefined;
}

/** What a route says beside it: a place of its own for a destination, and a failover in place of the document's. */
export interface WrittenRoute {
  readonly place: string | undefined;
  readonly failover: readonly string[] | undefined;
}

/** The failover order of a destination that begins with `first`, as `tierOrder` has it for the document. */
export function writtenTiers(first: string, route: WrittenRoute, order: WrittenOrder): readonly PlannedTier[] {
  const { local, failover, prefer, fallbacks } = order;
  const chain: { readonly subset: string; readonly places: readonly string[] }[] = [];
  let { place } = route;
  for (let next: string | undefined = first; next !== undefined; ) {
    const own = route.failover ?? (place === undefined ? failover : []);
    const begin = place ?? local;
    chain.push({ subset: next, places: [begin, ...own.filter((each) => each !== begin)] });
    const fallback: WrittenFallback | undefined = fallbacks.get(next);
    place = fallback?.place ?? place;
    next = fallback?.subset;
  }
  if (prefer === 'subset') {
    return chain.flatMap(({ subset, places }) => places.map((datacenter) => ({ subset, datacenter })));
  }
  const all = new Set(chain.flatMap(({ places }) => places));
  return [...all].flatMap((datacenter) =>
    chain.flatMap(({ subset, places }) => (places.includes(datacenter) ? [{ subset, datacenter }] : [])),
  );
}

/** One destination of a chain: what is tried, in order. */
export type WantedTiers = readonly PlannedTier[];

/** What a route has to say so that its destinations are tried as `wanted`; as few of them differ as can be. */
export function routeFailover(
  wanted: readonly WantedTiers[],
  order: WrittenOrder,
): {
  readonly failover: readonly string[] | undefined;
  readonly differing: readonly WantedTiers[];
  readonly harm: number;
} {
  const own = wanted.map(placesAfterFirst);
  const results = [undefined, ...own].map((failover) => {
    const harms = wanted.map((tiers) => {
      const route = { place: pinOf(tiers, order), failover };
      return harmOf(writtenTiers(tiers[0]?.subset ?? '', route, order), tiers);
    });
    const differing = wanted.filter((_, at) => harms[at] !== 0);
    return { failover, differing, harm: harms.reduce((sum, each) => sum + each, 0) };
  });
  return results.reduce((best, each) => (each.harm < best.harm ? each : best));
}

/** Each place once, without the one where it begins. */
function placesAfterFirst(tiers: WantedTiers): readonly string[] {
  return [...new Set(tiers.map(({ datacenter }) => datacenter))].slice(1);
}

/** 0: the same. Who loses a place to fail over to is worse off than who gets one more, or another order. */
function harmOf(written: readonly PlannedTier[], wanted: WantedTiers): number {
  if (sameTiers(written, wanted)) return 0;
  const has = ({ subset, datacenter }: PlannedTier): boolean =>
    written.some((each) => each.subset === subset && each.datacenter === datacenter);
  return wanted.every(has) ? 2 : 3;
}

/** The place that a destination has to name; undefined where it begins in the local datacenter. */
export function pinOf([first]: WantedTiers, { local }: Pick<WrittenOrder, 'local'>): string | undefined {
  return first === undefined || first.datacenter === local ? undefined : first.datacenter;
}

/**
 * The order for the whole document under which the routes have the least to say. `routes`: the destinations of each;
 * `isOwn`: whether a subset is of the document, which alone can have a fallback.
 */
export function chooseOrder(
  routes: readonly (readonly WantedTiers[])[],
  local: string,
  isOwn: (subset: string) => boolean,
): WrittenOrder {
  const all = routes.flat();
  const localOnes = all.filter((tiers) => pinOf(tiers, { local }) === undefined);
  const orders = localOnes.map(placesAfterFirst);
  const failovers = [[...new Set(orders.flat())], ...orders];
  const fallbacks = chooseFallbacks(all, isOwn);
  const pinned = [...fallbacks].flatMap(([subset, fallback]) =>
    [...placesOf(all, fallback.subset)].map((place) => new Map([...fallbacks, [subset, { ...fallback, place }]])),
  );
  let best: WrittenOrder = { local, failover: failovers[0] ?? [], prefer: 'subset', fallbacks };
  let least = costOf(routes, best);
  for (const table of [fallbacks, ...pinned]) {
    for (const failover of failovers) {
      for (const prefer of ['subset', 'datacenter'] as const) {
        const order: WrittenOrder = { local, failover, prefer, fallbacks: table };
        const cost = costOf(routes, order);
        if (cost >= least) continue;
        best = order;
        least = cost;
      }
    }
  }
  return best;
}

/** Each subset has one fallback, and none leads back to itself. */
function chooseFallbacks(
  all: readonly WantedTiers[],
  isOwn: (subset: string) => boolean,
): ReadonlyMap<string, WrittenFallback> {
  const fallbacks = new Map<string, WrittenFallback>();
  const leadsTo = (from: string, wanted: string): boolean => {
    for (let next: string | undefined = from; next !== undefined; next = fallbacks.get(next)?.subset) {
      if (next === wanted) return true;
    }
    return false;
  };
  for (const tiers of all) {
    const chain = [...new Set(tiers.map(({ subset }) => subset))];
    for (const [index, subset] of chain.entries()) {
      const next = chain[index + 1];
      if (next === undefined || !isOwn(subset) || fallbacks.has(subset) || leadsTo(next, subset)) continue;
      fallbacks.set(subset, { subset: next, place: undefined });
    }
  }
  return fallbacks;
}

function placesOf(all: readonly WantedTiers[], subset: string): ReadonlySet<string> {
  return new Set(all.flat().flatMap((tier) => (tier.subset === subset ? [tier.datacenter] : [])));
}

/** A difference weighs more than any number of routes with a failover of their own. */
function costOf(routes: readonly (readonly WantedTiers[])[], order: WrittenOrder): number {
  let cost = 0;
  for (const wanted of routes) {
    const { failover, harm } = routeFailover(wanted, order);
    cost += harm * 10_000 + (failover === undefined ? 0 : 1);
  }
  return cost;
}

function sameTiers(a: readonly PlannedTier[], b: readonly PlannedTier[]): boolean {
  return describeTiers(a) === describeTiers(b);
}

export function describeTiers(tiers: readonly PlannedTier[]): string {
  return tiers.map(({ subset, datacenter }) => `${subset} in ${datacenter}`).join(', ');
}
