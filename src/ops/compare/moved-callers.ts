import { canonicalJson } from '../../policy/plain-data';
import type { Plan, RoutePlan } from '../../policy/plan';

/** The effect of a new policy on the sticky callers of one route. */
export interface MovedCallers {
  /** Name under the old policy, and under the new one where it differs or the route is gone. */
  readonly route: string;
  readonly newRoute: string | undefined;
  readonly of: 'split' | 'sample';
  /** Share of the callers that go elsewhere, 0..1, by the sampled values. */
  readonly moved: number;
  /** The least share that must move, given the weights. */
  readonly needed: number;
  /** Why more callers move than must; undefined when no more do. */
  readonly reshuffled: string | undefined;
}

/** Sampled values for each sticky split; a share is exact within about 0.5 %. */
const SAMPLED_VALUES = 10_000;
/** A bucket is 0.01 %, and rounding may shift one or two. */
const TOLERANCE = 0.002;

/**
 * For each sticky split and each sample of the old plan, how many callers a new plan moves. Routes are paired by name,
 * then by their match. What an inserted or reordered route takes from later ones does not count here.
 * Pure, and the same for the same plans.
 */
export function findMovedCallers(before: Plan, after: Plan): readonly MovedCallers[] {
  const partners = pairRoutes(before, after);
  return before.routes.flatMap((route) => {
    const partner = partners.get(route);
    return [movedBySplit(route, partner, before, after), movedBySample(route, partner)].filter(
      (moved) => moved !== undefined,
    );
  });
}

function movedBySplit(
  route: RoutePlan,
  partner: RoutePlan | undefined,
  before: Plan,
  after: Plan,
): MovedCallers | undefined {
  const { split } = route;
  if (split.stickBy === undefined || split.entries.length < 2 || partner === undefined) return undefined;
  const named = { route: route.name, newRoute: partner.name, of: 'split' as const };
  const next = partner.split;
  const isSingle = next.entries.length === 1;
  const label = next.stickBy;
  if (label === undefined && !isSingle) {
    const reshuffled = 'without stickBy, each of their calls goes by chance';
    return { ...named, moved: 1, needed: 0, reshuffled };
  }
  const relabelled = !isSingle && label !== split.stickBy;
  const moved = shareOf((value) => {
    const from = split.entries[split.entryOfValue(value)]?.to;
    const to = isSingle ? next.entries[0] : next.entries[next.entryOfValue(relabelled ? otherLabel(value) : value)];
    return from !== to?.to;
  });
  // Rendezvous hashing looks at weights alone; several changed at once may move a few more than they differ by.
  const isRendezvous = !split.isBucketed && !next.isBucketed && !relabelled && seedProbe(route) === seedProbe(partner);
  return judged(named, moved, neededMoves(route, partner, before), () =>
    isRendezvous ? undefined : reasonOf(route, partner, before, after, relabelled),
  );
}

function movedBySample(route: RoutePlan, partner: RoutePlan | undefined): MovedCallers | undefined {
  const sample = route.match?.sample;
  const next = partner?.match?.sample;
  if (sample === undefined || next === undefined || partner === undefined) return undefined;
  const relabelled = sample.by !== next.by;
  const moved = shareOf((value) => sample.admits(value) !== next.admits(relabelled ? otherLabel(value) : value));
  const named = { route: route.name, newRoute: partner.name, of: 'sample' as const };
  return judged(named, moved, Math.abs(next.percent - sample.percent) / 100, () =>
    relabelled
      ? `sample.by is ${next.by} instead of ${sample.by}`
      : `its salt changed with the name ${route.name} to ${partner.name} or with stickySalt`,
  );
}

function judged(
  named: Pick<MovedCallers, 'route' | 'newRoute' | 'of'>,
  moved: number,
  needed: number,
  reason: () => string | undefined,
): MovedCallers {
  const share = Math.min(needed, 1);
  // Three standard deviations of a share found with the sampled values.
  const isReshuffle = moved > needed + TOLERANCE + 3 * Math.sqrt((share * (1 - share)) / SAMPLED_VALUES);
  return { ...named, moved, needed: Math.min(needed, moved), reshuffled: isReshuffle ? reason() : undefined };
}

/** The share of the sampled callers that move. */
function shareOf(moves: (value: string) => boolean): number {
  let moved = 0;
  for (let index = 0; index < SAMPLED_VALUES; index += 1) if (moves(caller(index))) moved += 1;
  return moved / SAMPLED_VALUES;
}

/** The value of another label of the same caller, which is independent of the first. */
function otherLabel(value: string): string {
  return `other ${value}`;
}

/** Every entry but the base moves its own difference, between it and the base (see `compileSplit()`). */
function neededMoves(route: RoutePlan, partner: RoutePlan, before: Plan): number {
  const shares = sharesOf(route);
  const nextShares = sharesOf(partner);
  const base = baseOf(route, before);
  let needed = 0;
  for (const subset of new Set([...shares.keys(), ...nextShares.keys()])) {
    if (subset !== base) needed += Math.abs((shares.get(subset) ?? 0) - (nextShares.get(subset) ?? 0));
  }
  return Math.min(needed, 1);
}

function sharesOf({ split }: RoutePlan): ReadonlyMap<string, number> {
  const total = split.entries.reduce((sum, { weight }) => sum + weight, 0);
  return new Map(split.entries.map(({ to, weight }) => [to, weight / total]));
}

function baseOf({ split }: RoutePlan, plan: Plan): string | undefined {
  const fallthrough = plan.fallthrough.destination.subset;
  return split.entries.some(({ to }) => to === fallthrough) ? fallthrough : split.entries[0]?.to;
}

function reasonOf(route: RoutePlan, partner: RoutePlan, before: Plan, after: Plan, relabelled: boolean): string {
  if (relabelled) return `stickBy is ${partner.split.stickBy} instead of ${route.split.stickBy}`;
  if (seedProbe(route) !== seedProbe(partner)) {
    return route.name === partner.name
      ? 'its stickySalt changed'
      : `its salt changed with the name ${route.name} to ${partner.name}; stickySalt: ${route.name} keeps it`;
  }
  const [base, nextBase] = [baseOf(route, before), baseOf(partner, after)];
  if (base !== nextBase) return `the base of the split is ${nextBase} instead of ${base}`;
  return 'entries of the split were inserted, reordered, or grew beyond three';
}

/** Tells salts apart: equal salts give equal buckets. */
function seedProbe({ split }: RoutePlan): string {
  return [1, 2, 3, 4].map((index) => split.bucketOf(caller(index))).join();
}

function caller(index: number): string {
  return `caller-${index}`;
}

function pairRoutes(before: Plan, after: Plan): ReadonlyMap<RoutePlan, RoutePlan> {
  const pairs = new Map<RoutePlan, RoutePlan>();
  const free = new Set(after.routes);
  const pair = (isPartner: (route: RoutePlan, other: RoutePlan) => boolean): void => {
    for (const route of before.routes) {
      const found = pairs.has(route) ? undefined : [...free].find((other) => isPartner(route, other));
      if (found === undefined) continue;
      pairs.set(route, found);
      free.delete(found);
    }
  };
  pair((route, other) => other.name === route.name);
  pair((route, other) => matchOf(after, other) === matchOf(before, route));
  return pairs;
}

function matchOf(plan: Plan, route: RoutePlan): string {
  return canonicalJson(plan.document?.routes?.[route.index]?.match ?? {});
}
