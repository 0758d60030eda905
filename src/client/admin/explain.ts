import { GraylaneError } from '../../base/errors';
import { membershipOf } from '../../policy/membership/membership';
import { decidingPlan, type Snapshot } from '../../policy/membership/snapshot';
import {
  isMeant,
  type TierKind,
  type TierSpec,
  takersOf,
  type UsedTier,
  usedTiers,
  withLastResorts,
} from '../../policy/membership/tiers';
import type { ForceSelector, Plan } from '../../policy/plan';
import { explainRouting, type RoutingExplanation } from '../../policy/routing/explain';
import { labelsOf } from '../../policy/routing/labels';
import { shareOf } from '../balancer/endpoints/subsetting';
import type { SubsetLimitView } from '../balancer/limits/subset-limits';
import { meantLanes } from '../balancer/tiers/meant-groups';
import { keptShare, spillName } from '../balancer/tiers/spill';
import type { ZonePreferenceView } from '../balancer/zones/zone-preference';
import type { BreakerView } from '../breaker/view';
import type { MethodFacts } from '../grpc/known-methods';
import type { ClientMode } from '../state/policy-state';
import type { Service } from '../state/service';
import { balancingOf, type SubsetBalancingView } from './balancing-view';
import { type EndpointInspection, endpointInspector, inspectZones } from './inspect';

/** A call to be explained; it is not made. */
export interface ExplainRequest {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Labels of the call. Default: the client's static labels alone. */
  readonly labels?: Readonly<Record<string, string>>;
  /** As in `with()`. Default: none. */
  readonly force?: ForceSelector;
  /** As in `with()`. Default: none. */
  readonly stickyKey?: string;
}

/** Why a call would go where it would go: decided by the code that decides real calls. Plain JSON. */
export interface Explanation {
  /** Consul service name. */
  readonly service: string;
  /** Revision of the policy. */
  readonly revision: string;
  /** `observe`: below is what the policy would do; the call itself is balanced over all instances. */
  readonly mode: ClientMode;
  /** What the policy says of the call, and why. */
  readonly routing: RoutingExplanation;
  /** The failover order, with the endpoints that are there now. */
  readonly tiers: readonly ExplainedTier[];
  /** Why calls are refused at present. */
  readonly refusal: string | undefined;
}

/** One step of the failover order. */
export interface ExplainedTier {
  /** Which step of the failover order it is, 0 first: as spans, metrics and reports of calls number it. */
  readonly number: number;
  /** Subset of its endpoints. */
  readonly subset: string;
  /** Datacenter of its endpoints. */
  readonly datacenter: string;
  /** The subset's breaker here is not closed: its calls go to the fallback, where there is one. */
  readonly shed: BreakerView | undefined;
  /** How much of it this client may use, in all datacenters, and does; undefined where nothing limits it. */
  readonly limit: SubsetLimitView | undefined;
  /** How its endpoints share its calls. */
  readonly balancing: SubsetBalancingView;
  /** How its calls are divided among the zones of the local datacenter; undefined where zones play no part. */
  readonly zones: ZonePreferenceView | undefined;
  /**
   * `draining`: of weight 0. `absent`: they vanished from discovery with many others. Both are a last resort, behind
   * all tiers of `listed` ones; the latter as long as they are connected.
   */
  readonly kind: TierKind;
  /**
   * Part of its calls that it keeps, in [0, 1], as a good part of it may be out of service; the rest goes to the next
   * tier of `listed` instances that can serve, if there is one.
   */
  readonly keeps: number;
  /** Who is there now. */
  readonly endpoints: readonly ExplainedEndpoint[];
}

/** An endpoint of a tier. */
interface ExplainedEndpoint extends EndpointInspection {
  /**
   * What speaks against it here; undefined when nothing does. One whose breaker is not closed takes only probes, and
   * one that is slow only measuring calls, unless so many are in that state that not all may be held out.
   */
  readonly heldOut: string | undefined;
}

export function explainCall(
  service: Service,
  request: ExplainRequest,
  staticLabels: Readonly<Record<string, string>>,
  facts: MethodFacts | undefined,
): Explanation {
  const { snapshot } = service;
  if (snapshot === undefined) throw new GraylaneError('NOT_READY', service.pendingReason());
  const plan = decidingPlan(snapshot);
  const input = {
    method: request.method,
    labels: labelsOf({ ...staticLabels, ...lowerCased(request.labels ?? {}) }),
    force: request.force,
    stickyKey: request.stickyKey,
  };
  const routing = explainRouting(plan, input, service, facts?.isIdempotent === true, facts?.kind);
  const tiers = explainTiers(service, plan, snapshot, routing.decision);
  return {
    service: service.service,
    revision: plan.revision,
    mode: service.mode,
    routing,
    tiers,
    refusal: snapshot.refusal,
  };
}

function lowerCased(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [key.toLowerCase(), value]));
}

const LEFT_TO_OTHERS = 'left to other clients by balancing.subsetSize';

/** Which endpoints may serve, by the answers that the balancer uses: the order of tiers, and what is in them. */
function explainTiers(
  service: Service,
  plan: Plan,
  { instances }: Snapshot,
  decision: RoutingExplanation['decision'],
): readonly ExplainedTier[] {
  const membership = membershipOf(plan, instances);
  const inspect = endpointInspector(service);
  const zones = inspectZones(service);
  const limits = service.limits.views();
  const views = service.breakers.views().filter(({ level, state }) => level === 'subset' && state !== 'closed');
  const explained = (tier: UsedTier, number: number): ExplainedTier => {
    const { subset, datacenter, kind } = tier;
    const isLast = kind !== 'listed';
    const group = membership.group(subset, datacenter);
    const usable = takersOf(membership, tier);
    const own = new Set(shareOf(usable, plan, service.balancer.clientId));
    const members = [...usable, ...(isLast ? [] : (group?.unusable ?? []))].flatMap((instance) => {
      const endpoint = service.endpoints.of(instance);
      if (endpoint === undefined) return [];
      const found = inspect(endpoint);
      const why = isLast ? undefined : membership.whyUnusable(subset, instance);
      const left = why === undefined && !own.has(instance) ? LEFT_TO_OTHERS : undefined;
      const { id, status, zone } = instance;
      const weight = why === undefined ? found.weight : instance.weight;
      return [{ ...found, instance: id, status, zone, weight, heldOut: why ?? left ?? whyHeldOut(found) }];
    });
    const taking = members.filter((each) => each.heldOut === undefined).length;
    // One of weight 0 was taken out on purpose: that does not make the rest of its tier ill.
    const drained = (group?.draining ?? []).filter((instance) => service.endpoints.of(instance) !== undefined).length;
    const known = members.filter((each) => each.heldOut !== LEFT_TO_OTHERS).length - drained;
    const spill = service.balancer.spills.get(spillName(subset, datacenter));
    return {
      number,
      subset,
      datacenter,
      kind,
      shed: views.find(({ key }) => key === `${subset}@${datacenter}`),
      limit: limits.find((each) => each.subset === subset),
      balancing: balancingOf(plan, subset),
      zones: zones.find((each) => each.subset === subset && each.datacenter === datacenter),
      keeps: isLast
        ? 1
        : rounded(spill?.share(service.clock.now()) ?? keptShare(taking, known, plan.locality.overprovisioning)),
      endpoints: members,
    };
  };
  const { force, datacenters } = decision;
  const ordinary = usedTiers(plan, { ...decision, datacenters, force }, membership).map(explained);
  if (force?.endpoint === undefined && force?.instance === undefined) return ordinary;
  const places = [...plan.subsets.keys()].flatMap((subset) =>
    membership.datacenters.map((datacenter): TierSpec => ({ subset, datacenter })),
  );
  for (const { subset, datacenter } of meantLanes(force, membership)) places.push({ subset, datacenter });
  const everywhere = withLastResorts(places, membership).map((place) => {
    const { subset, datacenter } = place;
    const explainedTier = explained(place, 0);
    const isFree = (each: ExplainedEndpoint): boolean =>
      each.heldOut === undefined && isMeant(force, { ...each, subset, datacenter });
    return { ...explainedTier, keeps: 1, endpoints: explainedTier.endpoints.filter(isFree) };
  });
  const meant = everywhere.filter(({ endpoints }) => endpoints.length > 0);
  return meant.length > 0 || force.strict !== false ? meant : ordinary;
}

/** Without the last digits, in which equal shares differ by the way they were computed. */
function rounded(share: number): number {
  return Math.round(share * 1e9) / 1e9;
}

/** Why an endpoint gets no ordinary calls wherever it is; undefined: it does. */
export function whyHeldOut(endpoint: EndpointInspection): string | undefined {
  const { breaker, connections, failure, isDeprioritized, isDoubted, outlier } = endpoint;
  if (breaker?.isEnabled === true && breaker.state !== 'closed') {
    const next = outlier === undefined ? 'due for a probe' : 'on trial with a tenth of its share';
    const when = breaker.probesInMs === undefined ? next : `probe in ${Math.round(breaker.probesInMs)} ms`;
    return `breaker ${breaker.state}: ${breaker.openedBecause ?? 'opened by hand'}, ${when}`;
  }
  if (connections.length > 0 && !connections.includes('ready')) return failure ?? 'not connected yet';
  if (breaker?.isDoubtful === true) return 'nothing came back from its last attempt: gets one verifying call at a time';
  if (isDoubted) return 'Consul says that its node has failed, and nothing has come from it since';
  if (isDeprioritized) return 'far slower than its peers: gets a measuring call now and then';
  return undefined;
}
