import type {
  MatchDocument,
  PolicyDocument,
  RouteDocument,
  SplitEntryDocument,
  SubsetDocument,
} from '../../policy/document';

/** Which calls a rollout moves, and between whom. */
export interface MovedSplit {
  readonly canary: string;
  readonly stable: string;
  /** Undefined: the last route that splits between both. */
  readonly route?: string | undefined;
}

/** Made when the policy has no route with a split between both: it matches every call that no other route does. */
const OWN_ROUTE = 'rollout';

/** A change to a policy, or why the policy does not allow it. */
export type Edited = { readonly document: PolicyDocument } | { readonly refusal: string };

/** Weight of the canary in the route that is moved, in percent of what it shares with stable; 0 when there is none yet. */
export function canaryWeight(document: PolicyDocument, of: MovedSplit): number {
  const split = findRoute(document, of)?.split;
  const canary = weightOf(split, of.canary);
  const both = canary + weightOf(split, of.stable);
  return both === 0 ? 0 : (canary / both) * 100;
}

/**
 * The canary gets `weight` percent of what it and stable have together; entries of other subsets stay as they are. The
 * split keeps its order, so sticky callers move by the difference and no other. Pure.
 */
export function withWeight(document: PolicyDocument, of: MovedSplit, weight: number): Edited {
  const problem = missingSubset(document, of);
  if (problem !== undefined) return { refusal: problem };
  const found = findRoute(document, of);
  if (found === undefined) {
    if (of.route !== undefined) return { refusal: `route ${of.route}: missing (expected: a route of the policy)` };
    const open = document.routes?.findLast((route) => route.match === undefined);
    if (open !== undefined) {
      const refusal = `route ${open.name}: matches every call and does not split between ${of.stable} and ${of.canary} (expected: a split between both)`;
      return { refusal };
    }
    const split = [
      { to: of.stable, weight: 100 - weight },
      { to: of.canary, weight },
    ];
    return { document: { ...document, routes: [...(document.routes ?? []), { name: OWN_ROUTE, split }] } };
  }
  const { split } = found;
  if (split === undefined || !split.some(({ to }) => to === of.canary) || !split.some(({ to }) => to === of.stable)) {
    return { refusal: `route ${found.name}: does not split between ${of.stable} and ${of.canary} (expected: both)` };
  }
  const both = weightOf(split, of.canary) + weightOf(split, of.stable);
  if (both === 0) return { refusal: `route ${found.name}: ${of.stable} and ${of.canary} have no weight to share` };
  const moved = split.map((entry): SplitEntryDocument => {
    if (entry.to === of.canary) return { to: entry.to, weight: exact((both * weight) / 100) };
    if (entry.to === of.stable) return { to: entry.to, weight: exact(both - exact((both * weight) / 100)) };
    return entry;
  });
  return { document: withRoute(document, { ...found, split: moved }) };
}

/** A route of testers in front of all others; one of the same name is replaced where it stands. Pure. */
export function withTesters(
  document: PolicyDocument,
  { canary }: MovedSplit,
  { name, match }: { readonly name: string; readonly match: MatchDocument },
): Edited {
  const route: RouteDocument = { name, match, to: canary, strict: true };
  const isKnown = document.routes?.some((each) => each.name === name) === true;
  if (isKnown) return { document: withRoute(document, route) };
  return { document: { ...document, routes: [route, ...(document.routes ?? [])] } };
}

/** The document without these routes. Pure. */
export function withoutRoutes(document: PolicyDocument, names: readonly string[]): PolicyDocument {
  const { routes } = document;
  if (routes?.some(({ name }) => names.includes(name)) !== true) return document;
  return { ...document, routes: routes.filter(({ name }) => !names.includes(name)) };
}

/**
 * Stable becomes what the canary is: it selects the canary's instances from now on, keeps its own tuning, and has the
 * whole weight again. Both changes in one document: no call changes its instance. Pure.
 */
export function withCanaryAsStable(document: PolicyDocument, of: MovedSplit): Edited {
  const reset = withWeight(document, of, 0);
  if ('refusal' in reset) return reset;
  const { tags: _tags, meta: _meta, filter: _filter, ...tuning } = subsetOf(document, of.stable) ?? {};
  const { tags, meta, filter } = subsetOf(document, of.canary) ?? {};
  const stable: SubsetDocument = {
    ...(tags === undefined ? {} : { tags }),
    ...(meta === undefined ? {} : { meta }),
    ...(filter === undefined ? {} : { filter }),
    ...tuning,
  };
  return { document: { ...reset.document, subsets: { ...reset.document.subsets, [of.stable]: stable } } };
}

function findRoute({ routes }: PolicyDocument, of: MovedSplit): RouteDocument | undefined {
  if (of.route !== undefined) return routes?.find(({ name }) => name === of.route);
  return routes?.findLast(
    ({ split }) => split?.some(({ to }) => to === of.canary) === true && split.some(({ to }) => to === of.stable),
  );
}

function withRoute(document: PolicyDocument, route: RouteDocument): PolicyDocument {
  return { ...document, routes: document.routes?.map((each) => (each.name === route.name ? route : each)) ?? [route] };
}

function missingSubset(document: PolicyDocument, { canary, stable }: MovedSplit): string | undefined {
  for (const name of [canary, stable]) {
    if (subsetOf(document, name) === undefined) return `subsets.${name}: missing (expected: a subset of the policy)`;
  }
  return undefined;
}

function subsetOf({ subsets }: PolicyDocument, name: string): SubsetDocument | undefined {
  return subsets !== undefined && Object.hasOwn(subsets, name) ? subsets[name] : undefined;
}

function weightOf(split: readonly SplitEntryDocument[] | undefined, subset: string): number {
  return split?.find(({ to }) => to === subset)?.weight ?? 0;
}

/** 100 % of 0.3 is 0.3, and 10 % of 3 is 0.3, too. */
function exact(weight: number): number {
  return Number(weight.toFixed(9));
}
