import { isLaneSubset, laneSubset } from '../../../policy/lanes/lane-plan';
import { formatTarget } from '../../grpc/target';
import type { Service } from '../../state/service';
import { whyHeldOut } from '../explain';
import { type EndpointInspection, inspectService, type ServiceInspection } from '../inspect';
import { noticesOf } from './notices';
import type { EndpointCounts, PageEndpoint, PageService } from './page-view';
import type { Traffic } from './traffic';

/** A state by parts: the JSON of each, by its path. */
export type Parts = ReadonlyMap<string, string>;

/** What of an inspection is shown of the service that is looked at. Endpoints are parts of their own. */
const SHOWN: readonly (keyof ServiceInspection)[] = [
  'policy',
  'datacenters',
  'lookups',
  'clientZone',
  'zones',
  'methods',
  'breakers',
  'guards',
  'faults',
  'balancing',
  'limits',
  'mirrors',
  'retryBudget',
  'lanes',
];

/** One service in short. Looks at each endpoint once, and builds nothing of it. */
export function shortView(service: Service, traffic: Traffic | undefined): PageService {
  const plan = service.planInForce;
  return {
    service: service.service,
    target: formatTarget(service.target),
    mode: service.mode,
    revision: plan?.revision,
    origin: plan?.origin,
    datacenters: (service.sourceState?.datacenters ?? []).map(({ datacenter }) => datacenter),
    subsets: [...(plan?.subsets.keys() ?? [])],
    endpoints: countEndpoints(service),
    recent: traffic?.recent() ?? [],
    notices: noticesOf(service),
  };
}

function countEndpoints(service: Service): EndpointCounts {
  const nowMs = service.clock.now();
  const counts = { all: 0, ready: 0, unusable: 0, broken: 0 };
  for (const endpoint of service.endpoints.present()) {
    counts.all += 1;
    const { status, weight } = endpoint.instance;
    if (status === 'critical' || weight === 0) counts.unusable += 1;
    const { breaker } = endpoint;
    if (breaker !== undefined && breaker.state !== 'closed' && breaker.view(nowMs).isEnabled) counts.broken += 1;
    if (service.endpoints.connectionsTo(endpoint).some(({ stateName }) => stateName === 'ready')) counts.ready += 1;
  }
  return counts;
}

/** All that is shown of the service that is looked at. */
export function detailParts(service: Service, traffic: Traffic | undefined): Map<string, string> {
  const inspection = inspectService(service);
  const parts = new Map<string, string>();
  for (const field of SHOWN) parts.set(`detail/${field}`, JSON.stringify(inspection[field]));
  for (const endpoint of inspection.endpoints) {
    parts.set(`endpoint/${endpoint.datacenter}/${endpoint.endpoint}`, JSON.stringify(endpointView(endpoint)));
  }
  if (traffic !== undefined) {
    parts.set('traffic', JSON.stringify(traffic.rows()));
    parts.set('history', JSON.stringify(traffic.history()));
  }
  return parts;
}

function endpointView(endpoint: EndpointInspection): PageEndpoint {
  const { breaker, sessions, subsets, status, weight } = endpoint;
  const lane = subsets.find(isLaneSubset)?.slice(laneSubset('').length);
  const hasLimit = sessions.some(({ limit }) => limit !== undefined);
  const limit = sessions.reduce((sum, session) => sum + (session.limit ?? 0), 0);
  return {
    endpoint: endpoint.endpoint,
    instance: endpoint.instance,
    datacenter: endpoint.datacenter,
    zone: endpoint.zone,
    lane,
    subsets: subsets.filter((subset) => !isLaneSubset(subset)),
    status,
    weight,
    inFlight: endpoint.inFlight,
    latencyMs: Math.round(endpoint.latencyMs * 10) / 10,
    slowness: Math.round(endpoint.slowness * 100) / 100,
    breaker: breaker?.isEnabled === true ? breaker.state : undefined,
    outcomes: breaker?.counts,
    connections: endpoint.connections,
    streams:
      sessions.length === 0
        ? undefined
        : { now: sessions.reduce((sum, { streams }) => sum + streams, 0), limit: hasLimit ? limit : undefined },
    heldOut: status === 'critical' ? 'critical' : weight === 0 ? 'weight 0' : withoutCountdown(whyHeldOut(endpoint)),
  };
}

/** The breaker itself tells when it probes; here it would make each endpoint another one each time. */
function withoutCountdown(why: string | undefined): string | undefined {
  return why?.replace(/, probe in \d+ ms$/, '');
}

/** What leads from one state to the next, as the JSON of a PageChange; undefined: nothing has changed. */
export function changeBetween(before: Parts, after: Parts): string | undefined {
  const set: string[] = [];
  for (const [path, json] of after) if (before.get(path) !== json) set.push(`${JSON.stringify(path)}:${json}`);
  const gone = [...before.keys()].filter((path) => !after.has(path));
  return set.length + gone.length === 0 ? undefined : `{"set":{${set.join(',')}},"gone":${JSON.stringify(gone)}}`;
}
