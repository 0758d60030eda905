import { nearest } from '../../base/spelling';
import { resolveBreaker, resolveSubsetBreaker } from '../defaults';
import { ALL_INSTANCES, type Plan, type SubsetPlan } from '../plan';
import type { WrittenDestination } from './destination';

/** The policies of other services, by service, as far as they are known. The plan of one that has none is empty. */
export type OtherPolicies = ReadonlyMap<string, Plan>;

const MOST_NAMES = 20;

/**
 * Adds the subset of another service to `subsets`, under the name that this plan has for it, and those that its
 * fallbacks and its guard lead to within that service. Where they lead further, they end. `policies`: undefined where
 * no other policy is known, as in tools without a Consul.
 */
export function addOtherSubset(
  name: string,
  { service, subset }: WrittenDestination & { readonly service: string },
  subsets: Map<string, SubsetPlan>,
  policies: OtherPolicies | undefined,
): void {
  if (subsets.has(name)) return;
  const policy = policies?.get(service);
  if (policy === undefined) {
    subsets.set(name, subset === undefined ? bare(name, service) : unknown(name, service));
    return;
  }
  const found = policy.subsets.get(subset ?? policy.fallthrough.destination.subset);
  if (found === undefined || found.service !== undefined) {
    subsets.set(name, { ...bare(name, service), missing: whyMissing(String(subset), policy) });
    return;
  }
  const { fallback, fallbackPlace: _, guard, ...own } = found;
  const exceptLanes = own.takesLanes === true ? undefined : policy.lanes?.dimensions.map(({ meta }) => ({ meta }));
  const rest = exceptLanes === undefined ? own : { ...own, exceptLanes };
  // Set before the others are looked at: their guards may lead back here.
  subsets.set(name, { ...rest, name, service, fallback: undefined });
  const follow = (next: string | undefined): string | undefined => {
    if (next === undefined || policy.subsets.get(next)?.service !== undefined) return undefined;
    addOtherSubset(`${service}/${next}`, { service, subset: next, place: undefined }, subsets, policies);
    return `${service}/${next}`;
  };
  const next = follow(fallback);
  const against = follow(guard?.against);
  subsets.set(name, {
    ...rest,
    name,
    service,
    fallback: next,
    ...(next !== undefined && found.fallbackPlace !== undefined && { fallbackPlace: found.fallbackPlace }),
    ...(guard !== undefined && next !== undefined && against !== undefined && { guard: { ...guard, against } }),
  });
}

/** All instances of a service. */
function bare(name: string, service: string): SubsetPlan {
  return {
    name,
    service,
    tags: [],
    meta: {},
    filter: undefined,
    fallback: undefined,
    fallbackMaxPercentage: 100,
    breaker: resolveBreaker(),
    subsetBreaker: resolveSubsetBreaker(),
  };
}

function unknown(name: string, service: string): SubsetPlan {
  return { ...bare(name, service), missing: `the policy of ${service} is not known` };
}

function whyMissing(subset: string, { service, origin, subsets }: Plan): string {
  if (origin === 'none') return `${service} has no policy, so no subset ${subset}`;
  const names = [...subsets.values()].flatMap((each) => (each.service === undefined ? each.name : []));
  const shown = names.filter((name) => name !== ALL_INSTANCES).slice(0, MOST_NAMES);
  const meant = nearest(subset, shown);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return `the policy of ${service} has no subset ${subset} (it has ${shown.join(', ') || 'none'})${hint}`;
}
