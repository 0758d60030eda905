import { systemClock } from '../../base/clock';
import { fieldsOf } from '../../policy/chain/report';
import { nameAtPlace } from '../../policy/places/destination';
import { type Decision, LOCAL_PLACE, type Plan } from '../../policy/plan';
import { decide } from '../../policy/routing/decide';
import { labelsOf } from '../../policy/routing/labels';
import { EVERYWHERE, type ProxyCall, placeElsewhere, type Verdict } from './rule-source';

/** What a plan says of a call, in the words of a {@link Verdict}. */
export interface PlanVerdict extends Omit<Verdict, 'rule' | 'concerns'> {
  /** Name of the route, or `default`. */
  readonly route: string;
  readonly decision: Decision;
}

/**
 * Reads plans as verdicts: shares of a whole split rather than one draw. `placeOf`: the place of a decision where it is
 * not the subset's own.
 */
export function createPlanReader(
  plan: Plan,
  placeOf: (decision: Decision) => string | undefined = () => undefined,
): (call: ProxyCall) => PlanVerdict {
  const environment = { clock: systemClock, random: () => 0 };
  const outcome = { sticky: false, bucket: -1, hash: -1 };
  const routes = new Map(plan.routes.map((route) => [route.name, route]));
  const place = (decision: Decision): string => nameAtPlace(subsetPlace(decision), pinOf(plan, decision));
  const subsetPlace = (decision: Decision): string => {
    const known = placeOf(decision);
    const { subset } = decision.destination;
    const found = plan.subsets.get(subset);
    if (known !== undefined || found === undefined) return known ?? EVERYWHERE;
    const { tags, meta, filter, service } = found;
    if (service !== undefined) return placeElsewhere(service, subset.split('/')[1]);
    const isAll = tags.length === 0 && Object.keys(meta).length === 0 && filter === undefined;
    return isAll ? EVERYWHERE : subset;
  };
  const plans = new Map<string | undefined, Plan>([[undefined, plan]]);
  return ({ method, headers, sourceLabels }) => {
    const input = { method, labels: labelsOf(headers), stickyKey: undefined, force: undefined };
    // The name that a client states is taken for that of its workload.
    const caller = sourceLabels['app'] ?? sourceLabels['app.kubernetes.io/name'];
    const stated = plans.get(caller) ?? { ...plan, ...(caller !== undefined && { caller }) };
    plans.set(caller, stated);
    const decision = decide(stated, input, outcome, environment);
    const { retry, timeoutMs, by, route } = decision;
    const entries = (by === 'route' ? routes.get(route)?.split.entries : undefined) ?? [{ decision, buckets: 10_000 }];
    const shares = new Map<string, number>();
    for (const { decision: each, buckets } of entries) {
      if (buckets > 0) shares.set(place(each), (shares.get(place(each)) ?? 0) + buckets / 10_000);
    }
    return {
      decision,
      route: by === 'route' ? route : 'default',
      shares,
      timeoutMs,
      attempts: retry === undefined ? undefined : retry === 'off' ? 1 : retry.maxAttempts,
    };
  };
}

/** The only datacenter or peer where calls begin; undefined: the local one. */
function pinOf({ chain }: Plan, { destination: { places, tiers } }: Decision): string | undefined {
  const first = places?.[0]?.[0] ?? tiers?.[0]?.datacenter;
  return first === LOCAL_PLACE || first === fieldsOf(chain)['Datacenter'] ? undefined : first;
}
