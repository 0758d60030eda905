import type { DatacenterState, Instance } from '../../base/instances';
import { membershipOf } from '../../policy/membership/membership';
import { shortfallsOf } from '../../policy/membership/shortfalls';
import { decidingPlan } from '../../policy/membership/snapshot';
import type { Service } from '../state/service';
import type { EndpointState, ServiceReading } from './observe';

/**
 * What the gauges show of a service. Called at each collection: cheap beside `inspectService`, and without names of
 * endpoints.
 */
export function readService(service: Service): ServiceReading {
  const { policyState, clock } = service;
  const { plan } = policyState;
  return {
    datacenters: readDatacenters(service),
    endpoints: readEndpoints(service),
    breakers: service.breakers.views(),
    guards: service.guards.views().map(({ subset, isDryRun, heldForMs }) => ({
      subset,
      isShedding: !isDryRun && heldForMs !== undefined,
    })),
    policy: {
      index: plan?.index,
      rejectedIndex: service.rejectedIndex,
      revision: plan?.revision,
      staleForS: service.policyStaleForS,
      shortfalls: countShortfalls(service),
    },
    retryBudget: service.budgetLeft,
    override: overrideOf(plan, clock.wallNow()),
  };
}

function countShortfalls({ snapshot, clock }: Service): number {
  if (snapshot === undefined) return 0;
  return shortfallsOf(decidingPlan(snapshot), snapshot.instances, clock.wallNow()).length;
}

function readDatacenters(service: Service): ServiceReading['datacenters'] {
  const now = service.clock.now();
  const states = [...(service.sourceState?.datacenters ?? []), ...readPeers(service)];
  return states.map(({ datacenter, local, freshness }) => {
    const sinceMs =
      freshness.kind === 'fresh'
        ? now
        : freshness.kind === 'stale'
          ? freshness.sinceMs
          : (service.watchedSinceMs ?? now);
    return { datacenter, local, freshness: freshness.kind, staleForS: Math.max(0, now - sinceMs) / 1000 };
  });
}

/** The peers that a policy document leads to. */
function readPeers({ snapshot }: Service): readonly DatacenterState[] {
  return (snapshot?.plan.peers ?? []).flatMap(({ key, datacenter }) => {
    const state = snapshot?.instances.lookups?.get(key);
    return state === undefined ? [] : [{ ...state, datacenter }];
  });
}

/** Every subset in every datacenter, also without instances there: an alert needs the zero. */
function readEndpoints(service: Service): ServiceReading['endpoints'] {
  const { snapshot } = service;
  if (snapshot === undefined) return [];
  const membership = membershipOf(snapshot.plan, snapshot.instances);
  const { subset: fallthrough } = snapshot.plan.fallthrough.destination;
  return [...snapshot.plan.subsets.keys()].flatMap((subset) =>
    membership.datacenters.map((datacenter) => {
      const states = { ready: 0, connecting: 0, idle: 0, failed: 0, ejected: 0, critical: 0 };
      const group = membership.group(subset, datacenter);
      const { usable = [], unusable = [], draining = [] } = group ?? {};
      states.critical = unusable.length - draining.length;
      for (const instance of [...usable, ...draining]) states[stateOf(service, instance)] += 1;
      return { subset, datacenter, isDefault: subset === fallthrough, states };
    }),
  );
}

function stateOf(service: Service, instance: Instance): EndpointState {
  const endpoint = service.endpoints.of(instance);
  if (endpoint === undefined) return 'idle';
  const { breaker } = endpoint;
  if (breaker !== undefined && breaker.state !== 'closed') return 'ejected';
  let state: EndpointState = 'idle';
  for (const { stateName } of service.endpoints.connectionsTo(endpoint)) {
    // Of several channels, the best that any of them has.
    if (stateName === 'ready') return 'ready';
    if (stateName === 'transient-failure') state = 'failed';
    else if (stateName === 'connecting' && state === 'idle') state = 'connecting';
  }
  return state;
}

function overrideOf(plan: Service['policyState']['plan'], wallNowMs: number): ServiceReading['override'] {
  const override = plan?.override;
  if (override === undefined || wallNowMs >= override.untilMs) return undefined;
  return { origin: override.origin, to: override.decision.destination.subset };
}
