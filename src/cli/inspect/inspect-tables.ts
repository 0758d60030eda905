import type {
  DatacenterInspection,
  EndpointInspection,
  LookupInspection,
  ServiceInspection,
} from '../../client/admin/inspect';
import type { ClientInspection } from '../../client/api';
import type { GuardCounts, GuardView } from '../../client/breaker/guard/subset-guard';
import type { BreakerView } from '../../client/breaker/view';
import type { AgentLoad } from '../../consul/agent-load';
import { describeLimit } from '../describe-limit';
import { describeEndpoint } from '../describe-place';
import { describeZones } from '../describe-zones';
import type { CommandIo } from '../io';
import { spellDuration } from '../spell-duration';
import { isIdle } from './running-process';

/** The whole of `graylane.inspect()` but for the policies' documents. */
export async function showInspection(
  { client, services, consul = [] }: ClientInspection,
  io: CommandIo,
): Promise<void> {
  io.line(
    `Graylane client ${io.colors.bold(client)}, ${services.length === 1 ? '1 service' : `${services.length} services`}`,
  );
  if (consul.length > 0) {
    await io.table(
      ['consul agent', 'requests', 'open', 'failures', 'state'],
      consul.map((agent) => [
        agent.address,
        // A process of an older version does not count them.
        String(agent.requests ?? ''),
        String(agent.openRequests),
        String(agent.failures ?? ''),
        stateOfAgent(agent, io),
      ]),
    );
  }
  for (const service of services) {
    io.line();
    await showService(service, io);
  }
}

function stateOfAgent({ serves, illForMs, reason }: AgentLoad, { colors }: CommandIo): string {
  const ill = illForMs === undefined ? '' : colors.red(`ill for ${spellDuration(illForMs)}: ${reason ?? ''}`);
  return [...(serves === true ? ['serves'] : []), ...(ill === '' ? [] : [ill])].join(', ');
}

async function showService(service: ServiceInspection, io: CommandIo): Promise<void> {
  const { colors } = io;
  // A process of an older version tells of no guards, zones and limits.
  const { datacenters, endpoints, breakers, guards = [], unassigned, retryBudget, mode, policy } = service;
  const { zones = [], clientZone, limits = [], lookups = [] } = service;
  const places = [...datacenters, ...elsewhere(service.service, datacenters, lookups)];
  if (isIdle(service)) {
    io.line(`${colors.bold(service.service)}  ${service.target}  idle: not called for a while, nothing is watched`);
    return;
  }
  const observed = mode === 'observe' ? ', only observed' : '';
  io.line(`${colors.bold(service.service)}  ${service.target}  ${describePolicy(service, io)}${observed}`);
  io.line(`calls ${retryBudget.calls}, retries ${retryBudget.retries} in the last 10 s`);
  if (unassigned.length > 0) io.line(`in no subset, so without calls: ${unassigned.join(', ')}`);
  await io.table(
    ['datacenter', 'instances', 'critical', 'absent', 'freshness'],
    places.map((each) => [
      each.local ? `${each.datacenter} (local)` : each.datacenter,
      String(each.instances),
      String(each.critical),
      String(each.absent),
      freshnessOf(each, io),
    ]),
  );
  for (const each of places) for (const line of notesOf(each)) io.line(colors.yellow(line));
  for (const each of limits) io.line(describeLimit(each));
  for (const each of zones) io.line(`${each.subset}: ${describeZones(each)}`);
  if (clientZone?.zone === undefined && policy.document?.locality?.zones === 'prefer') {
    io.line(colors.yellow(`zones are preferred, and the client's is not known: ${clientZone?.reason ?? ''}`));
  }
  await io.table(
    [
      'endpoint',
      'instance',
      'datacenter',
      'subset',
      'health',
      'weight',
      'in flight',
      'latency',
      'breaker',
      'connection',
    ],
    endpoints.map((endpoint) => rowOf(endpoint, io)),
  );
  const subsets = breakers.filter(({ level }) => level === 'subset');
  if (subsets.length > 0) {
    await io.table(
      ['breaker of', 'state', 'successes', 'failures', 'because'],
      subsets.map((breaker) => [
        breaker.key,
        stateOf(breaker, io),
        String(breaker.counts.successes),
        String(breaker.counts.failures),
        breaker.openedBecause ?? '',
      ]),
    );
  }
  if (guards.length > 0) {
    await io.table(
      ['guard of', 'against', 'failed', 'its failed', 'state'],
      guards.map((guard) => [
        guard.subset,
        guard.against,
        describeCounts(guard.counts),
        describeCounts(guard.againstCounts),
        describeGuard(guard, io),
      ]),
    );
  }
}

/** What is odd about the instances. A process of an older version does not tell. */
function notesOf(state: DatacenterInspection): readonly string[] {
  const { datacenter, nodesFailed = 0, draining = 0, duplicates = 0, doubles = [], isPartial = false } = state;
  const named = doubles.map(({ endpoint, counts, leftOut }) => `${endpoint}: ${counts}, not ${leftOut}`).join('; ');
  return [
    ...(nodesFailed === 0 ? [] : [`${nodesFailed} on nodes that Consul cannot reach; called as long as they answer`]),
    ...(draining === 0 ? [] : [`${draining} of weight 0: take calls where nobody else can`]),
    ...(duplicates === 0 ? [] : [`${duplicates} at an address with a newer registration, which counts (${named})`]),
    ...(isPartial ? ['Consul leaves out what the token may not see'] : []),
    ...(state.faults ?? []),
  ].map((note) => `${datacenter}: ${note}`);
}

/** What is looked up where the service's own watch does not look: peers, other services. */
function elsewhere(
  service: string,
  own: readonly DatacenterInspection[],
  lookups: readonly LookupInspection[],
): readonly DatacenterInspection[] {
  return lookups
    .filter((each) => each.service !== service || own.every(({ datacenter }) => datacenter !== each.datacenter))
    .map((each) =>
      each.service === service ? each : { ...each, datacenter: `${each.service} in ${each.datacenter}` },
    );
}

function describeCounts({ calls, failures, medianMs }: GuardCounts): string {
  return `${failures} of ${calls}${medianMs === undefined ? '' : `, median ${medianMs.toFixed(1)} ms`}`;
}

function describeGuard({ heldForMs, because, isDryRun }: GuardView, { colors }: CommandIo): string {
  if (heldForMs === undefined) return isDryRun ? 'watches, dry run' : 'watches';
  const says = isDryRun ? 'would shed' : 'sheds';
  return colors.red(`${says} for another ${spellDuration(heldForMs)}: ${because ?? ''}`);
}

function describePolicy({ policy }: ServiceInspection, { colors }: CommandIo): string {
  const { revision, origin, index, rejected } = policy;
  const refused = rejected === undefined ? '' : `  ${colors.red('a newer one was refused')}`;
  if (revision === undefined || revision === 'none') return `no policy${refused}`;
  const at = index === undefined ? '' : `, index ${index}`;
  return `revision ${revision} (${origin}${at})${refused}`;
}

function freshnessOf({ freshness, staleForMs, isHeld, connectOnly }: DatacenterInspection, io: CommandIo): string {
  const since = staleForMs === undefined ? '' : ` for ${spellDuration(staleForMs)}`;
  const parts = [
    freshness === 'fresh' ? io.colors.green(freshness) : io.colors.red(`${freshness}${since}`),
    ...(isHeld ? ['empty, not believed yet'] : []),
    ...(connectOnly ? ['Connect only'] : []),
  ];
  return parts.join(', ');
}

function rowOf(endpoint: EndpointInspection, io: CommandIo): readonly string[] {
  const { subsets, status, inFlight, latencyMs, breaker, connections, failure } = endpoint;
  // An older process says nothing of it, nor of its share.
  const unusable = endpoint.unusableIn ?? [];
  const doubts = [
    ...(endpoint.isSuspect ? ['suspect'] : []),
    ...(endpoint.isShunned ? ['shunned'] : []),
    ...(endpoint.outlier === undefined ? [] : ['outlier']),
  ];
  // An older process says nothing of it.
  if (endpoint.share < 1) doubts.push(`wants less: ${Math.round(100 * endpoint.share)} %`);
  const connection = connections.length === 0 ? 'none' : [...new Set(connections)].join(', ');
  return [
    describeEndpoint(endpoint.endpoint, endpoint.portName),
    endpoint.instance,
    endpoint.datacenter,
    subsets.length === 0
      ? '(unassigned)'
      : subsets.map((name) => (unusable.includes(name) ? `${name} (no calls)` : name)).join(','),
    status,
    String(endpoint.weight),
    String(inFlight),
    latencyMs > 0 ? `${latencyMs.toFixed(1)} ms` : '',
    [breaker === undefined ? 'closed' : stateOf(breaker, io), ...doubts].join(', '),
    failure === undefined ? connection : `${connection}: ${failure}`,
  ];
}

function stateOf({ state, isEnabled, probesInMs, heldForMs }: BreakerView, { colors }: CommandIo): string {
  if (!isEnabled) return 'off';
  if (state === 'closed') return state;
  if (heldForMs !== undefined) return colors.red(`${state}, held for ${spellDuration(heldForMs)}`);
  return probesInMs === undefined
    ? colors.yellow(state)
    : colors.red(`${state}, probes in ${spellDuration(probesInMs)}`);
}
