import { defined } from '../../base/defined';
import type { DatacenterState, DuplicateInstance, Instance } from '../../base/instances';
import { lookupsOf } from '../../policy/destinations';
import type { PolicyDocument } from '../../policy/document';
import { inspectLanes, type LaneInspection } from '../../policy/lanes/inspect-lanes';
import { membershipOf } from '../../policy/membership/membership';
import { decidingPlan } from '../../policy/membership/snapshot';
import { foundBy } from '../../policy/places/lookups';
import type { PolicyOrigin, PolicyProblem } from '../../policy/plan';
import type { MethodTimeView } from '../balancer/attempts/methods';
import type { Endpoint } from '../balancer/endpoints/endpoint';
import { type ConnectionView, endpointKey } from '../balancer/endpoints/endpoint-registry';
import type { SessionView } from '../balancer/endpoints/subchannel-lease';
import type { FaultView } from '../balancer/faults/fault-state';
import type { SubsetLimitView } from '../balancer/limits/subset-limits';
import type { ZonePreferenceView } from '../balancer/zones/zone-preference';
import type { GuardView } from '../breaker/guard/subset-guard';
import type { OutlierView } from '../breaker/outlier/trial';
import type { BreakerView } from '../breaker/view';
import type { RouteMirrorView } from '../grpc/mirror/route-mirror';
import { formatTarget } from '../grpc/target';
import type { ClientZoneView } from '../state/client-zone';
import type { ClientMode } from '../state/policy-state';
import type { Service } from '../state/service';
import { balancingOf, type SubsetBalancingView } from './balancing-view';

const MOST_METHODS = 50;

/** One service of a Graylane client as plain JSON. */
export interface ServiceInspection {
  /** Consul service name. */
  readonly service: string;
  /** Target that the service is looked up by. */
  readonly target: string;
  /** `observe`: policies are only watched deciding; calls are balanced over all instances. */
  readonly mode: ClientMode;
  /** Version of the snapshot in force; 0 while nothing is known. */
  readonly snapshot: number;
  /** Why there is none, or why calls are refused. */
  readonly pending: string | undefined;
  /** The policy, and how its source stands. */
  readonly policy: PolicyInspection;
  /** By datacenter, local first: what the registry said. */
  readonly datacenters: readonly DatacenterInspection[];
  /** What discovery chains, peers, pinned places and other services are looked up by; empty without any. */
  readonly lookups: readonly LookupInspection[];
  /** In which zone of the local datacenter this client is, or why that is not known. */
  readonly clientZone: ClientZoneView;
  /** How calls are divided among zones, by subset; empty where no policy prefers zones. */
  readonly zones: readonly ZonePreferenceView[];
  /** Every endpoint that is known. */
  readonly endpoints: readonly EndpointInspection[];
  /** What the times of its answers are measured against: the methods that were answered most often, at most 50. */
  readonly methods: readonly MethodTimeView[];
  /** Of subsets in their datacenters, then of endpoints; only those that exist. */
  readonly breakers: readonly BreakerView[];
  /** Those of the policy in force, by subset; none in observe mode, where no call goes by a subset. */
  readonly guards: readonly GuardView[];
  /** The faults of the policy in force, and what they did here; empty without any. */
  readonly faults: readonly FaultView[];
  /** How the endpoints of each subset of the policy in force share its calls. */
  readonly balancing: readonly SubsetBalancingView[];
  /** How the subsets stand whose calls are limited; empty where the policy limits none. */
  readonly limits: readonly SubsetLimitView[];
  /** Copies of calls, by route; empty where none was made. */
  readonly mirrors: readonly RouteMirrorView[];
  /** Calls and retries of the last ten seconds. */
  readonly retryBudget: { readonly calls: number; readonly retries: number };
  /** Labels that calls carried twice since the Graylane client was opened; each counted as absent. */
  readonly repeatedLabels: number;
  /** The lanes that have instances, and those that the policy ends; empty for a policy without lanes. */
  readonly lanes: readonly LaneInspection[];
  /** Instance IDs that no subset takes: they get no calls. */
  readonly unassigned: readonly string[];
  /** Instance IDs that several subsets take. */
  readonly shared: readonly string[];
}

/** The policy in force, and how its source stands. */
interface PolicyInspection {
  /** Undefined while none is known. */
  readonly revision: string | undefined;
  /** Where it came from; undefined while none is known. */
  readonly origin: PolicyOrigin | undefined;
  /** Consul index, or time of change of the file; undefined where the source has none. */
  readonly index: string | undefined;
  /** The document in force, where it is one. */
  readonly document: PolicyDocument | undefined;
  /** The compiled discovery chain, when the policy comes from Consul's config entries. */
  readonly chain: object | undefined;
  /** What is allowed and probably not meant. */
  readonly warnings: readonly PolicyProblem[];
  /**
   * What it asks for and cannot have at present: filters that Consul does not evaluate, so that their subsets are
   * empty, an override to a datacenter where nobody is, which calls do not go by, and instances in no subset whose tag
   * or meta is spelt almost as a subset asks for it. And what a newer revision waits for, such as a list that cannot be
   * read: until then the one above is in force.
   */
  readonly shortfalls: readonly PolicyProblem[];
  /** The newest revision was refused: what is wrong with it. The policy above is still in force. */
  readonly rejected: { readonly index: string | undefined; readonly problems: readonly PolicyProblem[] } | undefined;
  /** The last attempt to read it failed. */
  readonly failure: string | undefined;
  /** It was deleted where it came from, and goes on. */
  readonly isOrphaned: boolean;
  /**
   * ID of the run of `graylane policy apply --gradual` that put it in force in this client, before it is stored;
   * undefined: it is the stored one.
   */
  readonly candidate?: string;
  /** The policies of other services that it leads to. */
  readonly others: readonly OtherPolicyInspection[];
}

/** The policy of a service that a destination names. */
interface OtherPolicyInspection extends Pick<PolicyInspection, 'revision' | 'origin' | 'rejected' | 'failure'> {
  /** Consul service name. */
  readonly service: string;
}

/** What is known of a service in one datacenter. */
export interface DatacenterInspection {
  /** Name of the datacenter; of a cluster peer: `peer NAME`. */
  readonly datacenter: string;
  /** True: the client's own. */
  readonly local: boolean;
  /** False: the registry has not answered yet. */
  readonly known: boolean;
  /** Instances in the last good answer. */
  readonly instances: number;
  /** Of the instances: critical ones. */
  readonly critical: number;
  /** Vanished with many others and kept as a last resort for a while. */
  readonly absent: number;
  /** The registry lists nobody any more, which is not believed yet. */
  readonly isHeld: boolean;
  /** Of the instances: Consul cannot reach their nodes, and their own checks pass. Those that answer take calls. */
  readonly nodesFailed: number;
  /** Of the instances: of weight 0, and not critical. They take calls where nobody else can. */
  readonly draining: number;
  /** Malformed entries of the last answer. */
  readonly rejected: number;
  /** Entries of the last answer whose address has a newer registration, which counts. */
  readonly duplicates: number;
  /** The first few of those. */
  readonly doubles: readonly DuplicateInstance[];
  /** Consul has left out what the token may not see. */
  readonly isPartial: boolean;
  /**
   * Why some of those cannot be used although they are well formed, such as `payments-1: no port is named grpc; it has
   * http 8080`.
   */
  readonly faults: readonly string[];
  /** Only reachable through Connect proxies, which this library does not do. */
  readonly connectOnly: boolean;
  /** `pending`: no answer yet. `stale`: the last one failed, the last good one is in force. */
  readonly freshness: 'fresh' | 'pending' | 'stale';
  /** Why it is pending or stale. */
  readonly reason: string | undefined;
  /** Milliseconds since the last good answer, when stale. */
  readonly staleForMs: number | undefined;
}

/** A service in one place that a discovery chain, or a destination of a policy document, leads to. */
export interface LookupInspection extends DatacenterInspection {
  /** Service that is looked up. */
  readonly service: string;
}

/** An endpoint: how it is, and what the client has learned of it. */
export interface EndpointInspection {
  /** `host:port`. */
  readonly endpoint: string;
  /** What its port is called, of several; undefined where it has one. */
  readonly portName: string | undefined;
  /** Consul service ID. */
  readonly instance: string;
  /** Of a cluster peer: `peer NAME`. */
  readonly datacenter: string;
  /** Its zone; undefined where the registry names none. */
  readonly zone: string | undefined;
  /** What the zone belongs to, where the registry says so. */
  readonly region: string | undefined;
  /** Subsets that it belongs to. */
  readonly subsets: readonly string[];
  /**
   * Those of them whose calls it may not take: it is critical, its weight is 0, or it warns where only passing ones
   * may.
   */
  readonly unusableIn: readonly string[];
  /** What its checks say. */
  readonly status: Instance['status'];
  /** Its weight as registered, for its status. */
  readonly weight: number;
  /** Attempts under way; open streams included. */
  readonly inFlight: number;
  /**
   * Moving average of how long its good answers took, whatever their methods; it follows a rise at once. 0 without one.
   */
  readonly latencyMs: number;
  /**
   * How slow it was lately, each answer in multiples of what its method usually takes over all endpoints. While it is
   * avoided, what for, failures that took long included; else the mean of some 16 answers. 1 is usual, 0 is no sample.
   */
  readonly slowness: number;
  /**
   * Part of its weight that it gets, as it turns calls away (RESOURCE_EXHAUSTED, or a pushback): from 0.02 to 1. What
   * it reports of its capacity may change its weight by a factor of up to 4 besides.
   */
  readonly share: number;
  /** It has not answered for far longer than usual, and is avoided. */
  readonly isSuspect: boolean;
  /** Consul says that its node has failed, and nothing has come from it since: a suspect until something does. */
  readonly isDoubted: boolean;
  /** It answers far more slowly than its peers, and gets hardly more than a measuring call now and then. */
  readonly isDeprioritized: boolean;
  /**
   * It was ejected for failing more often than its peers, with these figures; undefined when it was not, and once it is
   * back.
   */
  readonly outlier: OutlierView | undefined;
  /** Undefined until its first failure. */
  readonly breaker: BreakerView | undefined;
  /** One for each group of channels that share their connections: those with equal credentials and options. */
  readonly connections: readonly ConnectionView['stateName'][];
  /**
   * The HTTP/2 connections of all groups: more than one each at the peer's limit of streams, and beside a silent one.
   */
  readonly sessions: readonly SessionView[];
  /** Why it could not be connected; undefined without a failure. */
  readonly failure: string | undefined;
}

export function inspectService(service: Service): ServiceInspection {
  const { snapshot, policyState } = service;
  const membership = snapshot === undefined ? undefined : membershipOf(decidingPlan(snapshot), snapshot.instances);
  const plan = service.planInForce;
  const shortfalls = service.shortfalls();
  return {
    service: service.service,
    target: formatTarget(service.target),
    mode: service.mode,
    snapshot: snapshot?.version ?? 0,
    pending: snapshot === undefined ? service.pendingReason() : snapshot.refusal,
    policy: {
      revision: plan?.revision,
      origin: plan?.origin,
      index: plan?.index,
      document: plan?.document,
      chain: plan?.chain,
      warnings: plan?.warnings ?? [],
      shortfalls,
      rejected: policyState.rejected,
      failure: policyState.failure,
      isOrphaned: policyState.isOrphaned,
      ...defined({ candidate: policyState.candidate }),
      others: [...service.otherPolicies].map(([name, { plan: other, rejected, failure }]) => {
        return { service: name, revision: other?.revision, origin: other?.origin, rejected, failure };
      }),
    },
    datacenters: (service.sourceState?.datacenters ?? []).map((state) => inspectDatacenter(service, state)),
    lookups: inspectLookups(service),
    clientZone: service.clientZone,
    zones: inspectZones(service),
    endpoints: inspectEndpoints(service),
    methods: service.endpoints.methods.views(MOST_METHODS),
    breakers: service.breakers.views(),
    guards: service.guards.views(),
    faults: service.balancer.faults.views(),
    balancing:
      snapshot === undefined ? [] : [...snapshot.plan.subsets.keys()].map((name) => balancingOf(snapshot.plan, name)),
    limits: service.limits.views(),
    mirrors: service.mirrors?.views() ?? [],
    retryBudget: { calls: service.balancer.retryBudget.calls, retries: service.balancer.retryBudget.retries },
    repeatedLabels: service.repeatedLabels,
    lanes: snapshot === undefined ? [] : inspectLanes(decidingPlan(snapshot), membership, service.clock.wallNow()),
    unassigned: membership?.unassigned.map((instance) => instance.id) ?? [],
    shared: membership?.shared.map((instance) => instance.id) ?? [],
  };
}

export function inspectZones({ balancer: { zonePreferences, clock } }: Service): ZonePreferenceView[] {
  return [...zonePreferences].flatMap(([subset, { preference, datacenter }]) => {
    const view = preference.view(subset, datacenter, clock.now());
    return view === undefined ? [] : [view];
  });
}

function inspectLookups(service: Service): LookupInspection[] {
  const states = service.snapshot?.instances.lookups;
  return (service.snapshot === undefined ? [] : lookupsOf(decidingPlan(service.snapshot))).flatMap((lookup) => {
    const found = foundBy(lookup, states);
    return found.map((state) => ({ ...inspectDatacenter(service, state), service: lookup.service }));
  });
}

function inspectDatacenter(service: Service, state: DatacenterState): DatacenterInspection {
  return {
    datacenter: state.datacenter,
    local: state.local,
    known: state.known,
    instances: state.instances.length,
    critical: state.instances.filter((instance) => instance.status === 'critical').length,
    absent: state.absent?.length ?? 0,
    isHeld: state.isHeld === true,
    nodesFailed: state.instances.filter((instance) => instance.isNodeFailed === true).length,
    draining: state.instances.filter(({ status, weight }) => status !== 'critical' && weight === 0).length,
    rejected: state.rejected - (state.duplicates ?? 0),
    duplicates: state.duplicates ?? 0,
    doubles: state.doubles ?? [],
    isPartial: state.isPartial === true,
    faults: state.faults ?? [],
    connectOnly: state.connectOnly,
    freshness: state.freshness.kind,
    reason: state.freshness.kind === 'fresh' ? undefined : state.freshness.reason,
    staleForMs: state.freshness.kind === 'stale' ? service.clock.now() - state.freshness.sinceMs : undefined,
  };
}

function inspectEndpoints(service: Service): EndpointInspection[] {
  const inspect = endpointInspector(service);
  return service.endpoints.present().map(inspect);
}

/** For several endpoints of one moment. */
export function endpointInspector(service: Service): (endpoint: Endpoint) => EndpointInspection {
  const { snapshot } = service;
  const groups = snapshot === undefined ? [] : membershipOf(decidingPlan(snapshot), snapshot.instances).groups;
  const usableIn = new Map<string, Set<string>>();
  const unusableIn = new Map<string, Set<string>>();
  const add = (subsets: Map<string, Set<string>>, instance: Instance, subset: string): void => {
    const key = endpointKey(instance);
    subsets.set(key, (subsets.get(key) ?? new Set()).add(subset));
  };
  for (const { subset, usable, unusable } of groups) {
    for (const instance of usable) add(usableIn, instance, subset);
    for (const instance of unusable) add(unusableIn, instance, subset);
  }
  return (endpoint) => {
    const usable = usableIn.get(endpoint.key) ?? new Set();
    const unusable = [...(unusableIn.get(endpoint.key) ?? [])].filter((subset) => !usable.has(subset));
    const connections = service.endpoints.connectionsTo(endpoint);
    return {
      endpoint: endpoint.key.slice(endpoint.datacenter.length + 1),
      portName: endpoint.instance.portName,
      instance: endpoint.instance.id,
      datacenter: endpoint.datacenter,
      zone: endpoint.instance.zone,
      region: endpoint.instance.region,
      subsets: [...usable, ...unusable],
      unusableIn: unusable,
      status: endpoint.instance.status,
      weight: endpoint.instance.weight === 0 ? 0 : endpoint.weight,
      inFlight: endpoint.load.inFlight,
      latencyMs: endpoint.load.usualMs,
      slowness: endpoint.load.slowness > 1 ? endpoint.load.slowness : endpoint.load.latencyOutlier.mean,
      share: endpoint.load.share.factor,
      isSuspect: endpoint.load.isSuspect,
      isDoubted: endpoint.load.isDoubted,
      isDeprioritized: endpoint.load.latencyOutlier.isDeprioritized,
      outlier: endpoint.breaker?.trial?.view(),
      breaker: endpoint.breaker?.view(service.clock.now()),
      connections: connections.map((connection) => connection.stateName),
      sessions: connections.flatMap((connection) => connection.sessions),
      failure: connections.find((connection) => connection.failure !== undefined)?.failure,
    };
  };
}
