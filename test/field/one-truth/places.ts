import { seededRandom } from '../../../src/base/random';
import type { PolicyDocument } from '../../../src/index';
import { DATACENTERS, Dice, type Listed, type World } from './worlds';

/** The name that every client of a world states of itself. */
export const CALLER = 'checkout';
const OTHER_SUBSETS = ['blue', 'green'];

/** None where the subset wants the tag: nobody could be in it, and the policy would be refused. */
function notTagged(tag: string, tags: readonly string[] = []): { readonly notTags?: readonly string[] } {
  return tags.includes(tag) ? {} : { notTags: [tag] };
}

/**
 * The world with routes to another service and to places, `failover` and `from` of routes, and `notTags`: draws of its
 * own, so that all other worlds stay what they are.
 */
export function withPlaces(world: World, number: number, servers: number): World {
  const { document, service } = world;
  if (document === undefined) return world;
  const dice = new Dice(seededRandom(number + 7));
  const other = service.replace(/^\w+-/, 'ord-');
  const subsets = Object.keys(document.subsets ?? {});
  const place = (): string => dice.of([...DATACENTERS, 'dc9']);
  const elsewhere = (): unknown =>
    dice.of<() => unknown>([
      () => ({ service: other }),
      () => ({ service: other, subset: dice.of(OTHER_SUBSETS) }),
      () => ({ service: other, subset: 'blue', datacenter: place() }),
      () => ({ service: other, datacenter: place() }),
      () => ({ service, subset: dice.of(subsets) }),
      () => ({ subset: dice.of(subsets), datacenter: place() }),
      () => ({ datacenter: place() }),
    ])();
  const routes = [
    ...(document.routes ?? []),
    { name: 'elsewhere', match: { labels: { 'x-gray': 'stable' } }, to: elsewhere() },
  ].map((route) => ({
    ...route,
    ...('to' in route && route.to !== undefined && dice.chance(0.6) ? { to: elsewhere() } : {}),
    ...('split' in route && route.split !== undefined && dice.chance(0.6)
      ? { split: [...route.split, { to: { service: other, datacenter: dice.of(['dc1', 'dc2']) }, weight: 3 }] }
      : {}),
    ...(dice.chance(0.3) ? { failover: dice.some(['dc2', 'dc3', 'dc9']) } : {}),
    ...(dice.chance(0.3) ? { match: { ...route.match, from: [dice.of([CALLER, 'nobody'])] } } : {}),
  }));
  const [unconditional, rest] = [routes.filter(({ match }) => match === undefined), routes.filter((one) => one.match)];
  const policy = {
    ...document,
    subsets: Object.fromEntries(
      Object.entries(document.subsets ?? {}).map(([name, subset]) => [
        name,
        {
          ...subset,
          ...(subset.fallback === undefined && dice.chance(0.4)
            ? {
                fallback: dice.of<unknown>([
                  { service: other },
                  { service: other, subset: 'green', datacenter: 'dc2' },
                ]),
              }
            : {}),
          ...(dice.chance(0.25) ? notTagged(dice.of(['stable', 'canary']), subset.tags) : {}),
        },
      ]),
    ),
    routes: [...rest, ...unconditional],
    ...(document.override !== undefined && dice.chance(0.4)
      ? { override: { ...document.override, to: { service: other }, datacenter: undefined } }
      : {}),
  };
  const taken = new Set(world.listed.map(({ server }) => server));
  const free = Array.from({ length: servers }, (_, at) => at).filter((at) => !taken.has(at));
  const listed = DATACENTERS.flatMap((datacenter) =>
    Array.from({ length: dice.below(3) }, (_, at): Listed | undefined => {
      const server = free.shift();
      return server === undefined
        ? undefined
        : {
            service: other,
            place: datacenter,
            id: `${other}-${datacenter}-${at}`,
            server,
            tags: dice.some(OTHER_SUBSETS),
            meta: dice.chance(0.2) ? { lane: 'blue' } : {},
            status: dice.of(['passing', 'passing', 'warning', 'critical']),
            weights: { Passing: 1 + dice.below(9), Warning: dice.of([0, 1, 1]) },
          };
    }).filter((one) => one !== undefined),
  );
  return {
    ...world,
    document: JSON.parse(JSON.stringify(policy)) as PolicyDocument,
    other: dice.chance(0.75) ? otherPolicy(dice, other, service) : undefined,
    listed: [...world.listed, ...listed],
    calls: world.calls.map((call) => {
      const subset = dice.of([other, `${other}/blue`, `${other}/green`]);
      const force = dice.chance(0.5) ? { subset } : { subset, strict: false };
      return call.force !== undefined && dice.chance(0.4) ? { ...call, force } : call;
    }),
  };
}

function otherPolicy(dice: Dice, service: string, named: string): PolicyDocument {
  return {
    schema: 1,
    service,
    subsets: {
      blue: { tags: ['blue'], ...(dice.chance(0.3) ? { fallback: { service: named } } : {}) },
      ...(dice.chance(0.8)
        ? { green: { tags: ['green'], notTags: ['blue'], ...(dice.chance(0.5) ? { fallback: 'blue' } : {}) } }
        : {}),
    },
    default: 'blue',
    ...(dice.chance(0.4) ? { lanes: { by: 'x-lane' } } : {}),
  } as PolicyDocument;
}
