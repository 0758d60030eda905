import type { SubsetLimitView } from '../balancer/limits/subset-limit';
import type { ZonePreferenceView } from '../balancer/zones/zone-preference';
import type { BreakerView } from '../breaker/view';
import { GraylaneError } from '../errors';
import type { ForceSelector } from '../policy/plan';
import { explainRouting, type RoutingExplanation } from '../routing/explain';
import { labelsOf } from '../routing/labels';
import { membershipOf } from '../snapshot/membership';
import { decidingPlan } from '../snapshot/snapshot';
import { usedTiers } from '../snapshot/tiers';
import { type EndpointInspection, inspectEndpoints, inspectZones } from './inspect';
import type { LaneMode } from './policy-state';
import type { Service } from './service';

/** A call to be explained; it is not made. */
export interface ExplainRequest {
  /** `/package.Service/Method`. */
  readonly method: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly force?: ForceSelector;
  readonly stickyKey?: string;
}

/** Why a call would go where it would go: decided by the code that decides real calls. Plain JSON. */
export interface Explanation {
  readonly service: string;
  readonly revision: string;
  /** `observe`: below is what the policy would do; the call itself is balanced over all instances. */
  readonly mode: LaneMode;
  readonly routing: RoutingExplanation;
  /** The failover order, with who is there now. */
  readonly tiers: readonly ExplainedTier[];
  /** Why calls are refused at present. */
  readonly refusal: string | undefined;
}

export interface ExplainedTier {
  readonly subset: string;
  readonly datacenter: string;
  /** The subset's breaker here is not closed: its calls go to the fallback, where there is one. */
  readonly shed: BreakerView | undefined;
  /** How much of it this client may use, in all datacenters, and does; undefined where nothing limits it. */
  readonly limit: SubsetLimitView | undefined;
  /** How its calls are divided among the zones of the local datacenter; undefined where zones play no part. */
  readonly zones: ZonePreferenceView | undefined;
  readonly endpoints: readonly ExplainedEndpoint[];
}

export interface ExplainedEndpoint extends EndpointInspection {
  /**
   * What speaks against it; undefined when nothing does. One whose breaker is not closed takes only probes, and one that is slow
   * only measuring calls, unless so many are in that state that not all may be held out.
   */
  readonly heldOut: string | undefined;
}

export function explainCall(
  service: Service,
  request: ExplainRequest,
  staticLabels: Readonly<Record<string, string>>,
  isIdempotent: boolean,
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
  const routing = explainRouting(plan, input, service, isIdempotent);
  const membership = membershipOf(plan, snapshot.instances);
  const { decision } = routing;
  const endpoints = inspectEndpoints(service).map((each) => ({ ...each, heldOut: heldOut(each) }));
  const zones = inspectZones(service);
  const limits = service.limits.views();
  const views = service.breakers.views().filter(({ level, state }) => level === 'subset' && state !== 'closed');
  const choice = { ...decision, datacenters: decision.datacenters, force: decision.force };
  const tiers = usedTiers(plan, choice, membership).map(({ subset, datacenter }) => ({
    subset,
    datacenter,
    shed: views.find(({ key }) => key === `${subset}@${datacenter}`),
    limit: limits.find((each) => each.subset === subset),
    zones: zones.find((each) => each.subset === subset && each.datacenter === datacenter),
    endpoints: endpoints.filter((each) => each.datacenter === datacenter && each.subsets.includes(subset)),
  }));
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

function heldOut(endpoint: EndpointInspection): string | undefined {
  const { status, weight, breaker, connections, failure, isShunned, isDoubted, outlier } = endpoint;
  if (status === 'critical') return 'critical in Consul';
  if (weight <= 0) return 'weight 0: takes calls where nobody else can';
  if (breaker?.isEnabled === true && breaker.state !== 'closed') {
    const next = outlier === undefined ? 'due for a probe' : 'on trial with a tenth of its share';
    const when = breaker.probesInMs === undefined ? next : `probe in ${Math.round(breaker.probesInMs)} ms`;
    return `breaker ${breaker.state}: ${breaker.openedBecause ?? 'opened by hand'}, ${when}`;
  }
  if (connections.length > 0 && !connections.includes('ready')) return failure ?? 'not connected yet';
  if (breaker?.isDoubtful === true) return 'nothing came back from its last attempt: gets one verifying call at a time';
  if (isDoubted) return 'Consul says that its node has failed, and nothing has come from it since';
  if (isShunned) return 'far slower than its peers: gets a measuring call now and then';
  return undefined;
}
