import type { Instance } from '../../base/instances';
import { ofKey } from '../../base/of-key';
import { isLaneSubset } from '../../policy/lanes/lane-plan';
import { membershipOf } from '../../policy/membership/membership';
import type { BreakerState } from '../breaker/view';
import type { Service } from '../state/service';
import * as names from './attributes';
import type { GaugeTarget } from './observe';

/** The states of endpoints. Each endpoint is in one. */
const ENDPOINT_STATES = ['ready', 'connecting', 'idle', 'failed', 'ejected', 'critical'] as const;
type EndpointState = (typeof ENDPOINT_STATES)[number];
const BREAKER_STATES: readonly BreakerState[] = ['closed', 'open', 'halfOpen'];
const WATCH_STATES = ['fresh', 'pending', 'stale'] as const;

/**
 * Writes the gauges of one service of one client. Called at each collection: cheap beside `inspectService`, and without
 * names of endpoints. Gives the local datacenter, once it is known.
 */
export function observeService(service: Service, to: GaugeTarget): string | undefined {
  const { book, gauges, base } = to;
  observeEndpoints(service, to);
  observeBreakers(service, to);
  for (const { subset, isDryRun, heldForMs } of service.guards.views()) {
    const isShedding = !isDryRun && heldForMs !== undefined;
    book.observe(gauges.guard, Number(isShedding), { ...base, [names.SUBSET]: subset });
  }
  for (const { name, state } of service.balancer.faults.views()) {
    book.observe(gauges.faultStopped, Number(state === 'stopped'), { ...base, [names.FAULT]: name });
  }
  observePolicy(service, to);
  book.observe(gauges.retryBudget, service.balancer.retryBudget.left(service.clock.now()), base);
  return observeDatacenters(service, to);
}

function observeDatacenters(service: Service, { book, gauges, base }: GaugeTarget): string | undefined {
  const { snapshot, sourceState, watchedSinceMs } = service;
  const nowMs = service.clock.now();
  // The peers that a policy document leads to.
  const peers = (snapshot?.plan.peers ?? []).flatMap(({ key, datacenter }) => {
    const state = snapshot?.instances.lookups?.get(key);
    const isOwn = sourceState?.datacenters.some((each) => each.datacenter === datacenter) === true;
    return state === undefined || isOwn ? [] : [{ ...state, datacenter }];
  });
  const states = [...(sourceState?.datacenters ?? []), ...peers];
  for (const { datacenter, freshness } of states) {
    const sinceMs =
      freshness.kind === 'fresh' ? nowMs : freshness.kind === 'stale' ? freshness.sinceMs : (watchedSinceMs ?? nowMs);
    const at = { ...base, [names.DATACENTER]: datacenter };
    book.observe(gauges.staleness, Math.max(0, nowMs - sinceMs) / 1000, at);
    for (const state of WATCH_STATES) {
      book.observe(gauges.watch, Number(state === freshness.kind), { ...at, [names.STATE]: state });
    }
  }
  return states.find(({ local }) => local)?.datacenter;
}

/** Every subset in every datacenter, also without instances there: an alert needs the zero. */
function observeEndpoints(service: Service, { book, gauges, base }: GaugeTarget): void {
  const { snapshot } = service;
  if (snapshot === undefined) return;
  const membership = membershipOf(snapshot.plan, snapshot.instances);
  const { subset: fallthrough } = snapshot.plan.fallthrough.destination;
  const lanes = snapshot.plan.lanes === undefined ? [] : membership.groups.filter(({ isLane }) => isLane);
  const named = [...snapshot.plan.subsets.keys(), ...(snapshot.plan.lanes === undefined ? [] : ['lane'])];
  for (const [at, subset] of named.entries()) {
    const isOfLanes = at === snapshot.plan.subsets.size;
    for (const datacenter of membership.datacenters) {
      const counts = { ready: 0, connecting: 0, idle: 0, failed: 0, ejected: 0, critical: 0 };
      const own = isOfLanes ? lanes : [membership.group(subset, datacenter)];
      for (const group of own) {
        if (group?.datacenter !== datacenter) continue;
        const { usable, unusable, draining } = group;
        counts.critical += unusable.length - draining.length;
        for (const instance of [...usable, ...draining]) counts[stateOf(service, instance)] += 1;
      }
      for (const state of ENDPOINT_STATES) {
        book.observe(gauges.endpoints, counts[state], {
          ...base,
          [names.SUBSET]: subset,
          [names.DATACENTER]: datacenter,
          'graylane.default': !isOfLanes && subset === fallthrough,
          [names.STATE]: state,
        });
      }
    }
  }
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

function observeBreakers({ breakers }: Service, { book, gauges, base }: GaugeTarget): void {
  const endpoints: Record<BreakerState, number> = { closed: 0, open: 0, halfOpen: 0 };
  /** By datacenter, of all lanes. */
  const lanes = new Map<string, Record<BreakerState, number>>();
  for (const { key, level, state } of breakers.views()) {
    if (level === 'endpoint') {
      endpoints[state] += 1;
      continue;
    }
    const at = key.lastIndexOf('@');
    if (isLaneSubset(key)) {
      ofKey(lanes, key.slice(at + 1), () => ({ closed: 0, open: 0, halfOpen: 0 }))[state] += 1;
      continue;
    }
    const of = {
      ...base,
      [names.LEVEL]: level,
      [names.SUBSET]: key.slice(0, at),
      [names.DATACENTER]: key.slice(at + 1),
    };
    for (const each of BREAKER_STATES) {
      book.observe(gauges.breakerState, Number(each === state), { ...of, [names.STATE]: each });
    }
  }
  for (const [datacenter, counts] of lanes) {
    const of = { ...base, [names.LEVEL]: 'subset', [names.SUBSET]: 'lane', [names.DATACENTER]: datacenter };
    for (const each of BREAKER_STATES) book.observe(gauges.breakerState, counts[each], { ...of, [names.STATE]: each });
  }
  for (const state of BREAKER_STATES) {
    book.observe(gauges.breakerState, endpoints[state], { ...base, [names.LEVEL]: 'endpoint', [names.STATE]: state });
  }
}

function observePolicy(service: Service, { book, gauges, base }: GaugeTarget): void {
  const { clock, rejectedIndex, policyStaleForS } = service;
  const plan = service.planInForce;
  // Always both, 0 where there is none, so that an alert can compare them.
  book.observe(gauges.policyIndex, Number(plan?.index ?? 0), { ...base, [names.STATE]: 'applied' });
  book.observe(gauges.policyIndex, Number(rejectedIndex ?? 0), { ...base, [names.STATE]: 'rejected' });
  const revision = Number.parseInt(plan?.revision ?? '', 16);
  if (!Number.isNaN(revision)) book.observe(gauges.policyRevision, revision, base);
  book.observe(gauges.policyStaleness, policyStaleForS, base);
  book.observe(gauges.policyShortfalls, service.shortfalls().length, base);
  const isOverridden = plan?.override !== undefined && clock.wallNow() < plan.override.untilMs;
  book.observe(gauges.override, Number(isOverridden), base);
}
