import type { Explanation } from '../../client/admin/explain';
import type {
  DatacenterInspection,
  EndpointInspection,
  LookupInspection,
  ServiceInspection,
} from '../../client/admin/inspect';
import type { RecentDecision } from '../../client/admin/recent-decisions';
import type { ClientInspection } from '../../client/api';
import type { GuardCounts, GuardView } from '../../client/breaker/guard/subset-guard';
import type { BreakerView } from '../../client/breaker/view';
import type { AgentLoad, WatchSharing } from '../../consul/request';
import { CommandError } from '../command';
import {
  counted,
  describeEndpoint,
  describeFaultView,
  describeLimit,
  describeZones,
  formatDuration,
} from '../describe';
import { isServable, noteRefusal, showExplanation } from '../explain/explain-call';
import { shownUrl } from '../fetch-json';
import { type CommandIo, fields } from '../io';
import { liveScreen } from '../live-screen';
import { describeLanes, describeMirrors } from './describe-actions';
import { askProcess, isIdle } from './running-process';

interface InspectFlags {
  readonly url: URL;
  readonly service?: string;
  readonly watch?: boolean;
  readonly decisions?: boolean;
  readonly explain?: boolean;
  readonly method?: string;
  readonly label: Readonly<Record<string, string>>;
}

/** `inspect`. */
export async function inspectUrl(flags: InspectFlags, io: CommandIo): Promise<void> {
  check(flags, io);
  const show = flags.explain === true ? explainThere : flags.decisions === true ? listDecisions : inspectThere;
  if (flags.watch !== true) await show(flags, io);
  else await liveScreen((screen) => show(flags, screen), io);
}

function check({ decisions, explain, service, method, label, watch }: InspectFlags, { asJson }: CommandIo): void {
  const usage = (problem: string): CommandError => new CommandError(2, problem, 'run graylane inspect --help');
  if (watch === true && asJson) throw usage('--watch: with --json (expected: one of them)');
  if (explain === true) {
    if (decisions === true) throw usage('--explain: with --decisions (expected: one of them)');
    if (service === undefined) throw usage('--service: missing (expected: which one --explain is about)');
    if (method === undefined) throw usage('--method: missing (expected: /package.Service/Method for --explain)');
  } else if (method !== undefined || Object.keys(label).length > 0) {
    throw usage(`${method === undefined ? '--label' : '--method'}: without --explain (expected: both)`);
  }
}

async function inspectThere({ url, service }: InspectFlags, io: CommandIo): Promise<void> {
  const inspection = await ask<ClientInspection>(url, 'inspect');
  const services = inspection.services.filter(
    (one) => service === undefined || [one.service, one.target].includes(service),
  );
  if (service !== undefined && services.length === 0) {
    const known = inspection.services.map((one) => one.service).join(', ') || 'none yet';
    throw new CommandError(2, `--service: ${service} (expected: one that the process uses: ${known})`, 'choose one');
  }
  const problems = services.filter((one) => !isIdle(one)).flatMap(problemsOf);
  if (problems.length > 0) io.exitCode = 1;
  io.json({ ...inspection, services, problems });
  await showInspection({ ...inspection, services }, io);
  for (const problem of problems) io.note(problem);
}

async function listDecisions({ url, service }: InspectFlags, io: CommandIo): Promise<void> {
  const all = await ask<readonly RecentDecision[]>(url, 'decisions');
  const decisions = all.filter((one) => service === undefined || one.service === service);
  io.json(decisions);
  await io.table(decisions, {
    ...fields('at', 'service', 'method', 'by', 'route', 'subset', 'revision'),
    sticky: (one) => (one.sticky ? 'sticky' : ''),
  });
  if (decisions.length === 0) io.note('no decisions: it has made no calls since its adminHandler() was made');
}

async function explainThere({ url, service = '', method = '', label }: InspectFlags, io: CommandIo): Promise<void> {
  const labels = Object.entries(label).map(([key, value]) => [`label.${key}`, value] as const);
  const explanation = await ask<Explanation>(url, 'explain', { service, method, ...Object.fromEntries(labels) });
  const canServe = isServable(explanation);
  if (!canServe) io.exitCode = 1;
  io.json({ ...explanation, canServe });
  await showExplanation(explanation, io);
  if (!canServe) noteRefusal(explanation, io);
}

async function ask<T>(
  url: URL,
  name: 'inspect' | 'explain' | 'decisions',
  query: Readonly<Record<string, string>> = {},
): Promise<T> {
  const answer = await askProcess<T>(url, name, query);
  if ('body' in answer) return answer.body;
  const next = 'check --url, and that the process has mounted graylane.adminHandler() there';
  throw new CommandError(2, `${shownUrl(url)}: ${answer.failure}`, next);
}

/** What an operator has to act on, each as a sentence. */
function problemsOf({ service, pending, policy, datacenters }: ServiceInspection): readonly string[] {
  // A process of an older version reports no shortfalls.
  const { rejected, failure, isOrphaned, revision, shortfalls = [] } = policy;
  const meanwhile = revision === undefined ? 'none is in force, and calls wait' : 'the former one stays';
  const [first, ...more] = rejected?.problems ?? [];
  const others = more.length === 0 ? '' : `, and ${more.length} more`;
  return [
    ...(pending === undefined ? [] : [pending]),
    ...(first === undefined ? [] : [`the newest policy was refused: ${first.message}${others}; ${meanwhile}`]),
    ...(failure === undefined ? [] : [`the policy cannot be read: ${failure}`]),
    ...shortfalls.map(({ message }) => message),
    ...(isOrphaned ? ['the policy was deleted in Consul, and goes on here'] : []),
    ...datacenters
      .filter(({ freshness }) => freshness !== 'fresh')
      .map(({ datacenter, freshness, reason }) => `${datacenter} is ${freshness}: ${reason ?? 'no answer yet'}`),
  ].map((problem) => `${service}: ${problem}`);
}

/** The whole of `graylane.inspect()` but for the policies' documents. */
async function showInspection({ client, services, consul = [] }: ClientInspection, io: CommandIo): Promise<void> {
  io.line(`Graylane client ${io.colors.bold(client)}, ${counted(services.length, 'service')}`);
  if (consul.length > 0) {
    await io.table(consul, {
      'consul agent': (agent) => agent.address,
      // A process of an older version does not count requests and failures.
      requests: (agent) => agent.requests,
      open: (agent) => agent.openRequests,
      failures: (agent) => agent.failures,
      state: (agent) => stateOfAgent(agent, io),
    });
    // A process of an older version does not say.
    const sharing = consul[0]?.sharing;
    if (sharing !== undefined) io.line(SHARING[sharing.role](new Date(sharing.sinceMs).toISOString()));
  }
  for (const service of services) {
    io.line();
    await showService(service, io);
  }
}

const SHARING: Readonly<Record<WatchSharing['role'], (since: string) => string>> = {
  holder: (since) => `watches: asks Consul for all processes of its host since ${since}`,
  follower: (since) => `watches: another process of its host asks Consul, since ${since}`,
  alone: (since) => `watches: not shared with other processes of its host since ${since}; its log says why`,
};

function stateOfAgent({ serves, illForMs, reason }: AgentLoad, { colors }: CommandIo): string {
  const ill = illForMs === undefined ? '' : colors.red(`ill for ${formatDuration(illForMs)}: ${reason ?? ''}`);
  return [...(serves === true ? ['serves'] : []), ...(ill === '' ? [] : [ill])].join(', ');
}

async function showService(service: ServiceInspection, io: CommandIo): Promise<void> {
  const { colors } = io;
  // A process of an older version reports no guards, zones, limits, faults, lanes and mirrors.
  const { datacenters, endpoints, breakers, guards = [], unassigned, retryBudget, mode, policy } = service;
  const { zones = [], clientZone, limits = [], lookups = [], faults = [], lanes = [], mirrors = [] } = service;
  const places = [...datacenters, ...elsewhere(service.service, datacenters, lookups)];
  if (isIdle(service)) {
    io.line(`${colors.bold(service.service)}  ${service.target}  idle: not called for a while, nothing is watched`);
    return;
  }
  const observed = mode === 'observe' ? ', only observed' : '';
  io.line(`${colors.bold(service.service)}  ${service.target}  ${describePolicy(service, io)}${observed}`);
  io.line(`calls ${retryBudget.calls}, retries ${retryBudget.retries} in the last 10 s`);
  if (unassigned.length > 0) io.line(`in no subset, so without calls: ${unassigned.join(', ')}`);
  await io.table(places, {
    datacenter: (each) => (each.local ? `${each.datacenter} (local)` : each.datacenter),
    ...fields('instances', 'critical', 'absent'),
    freshness: (each) => freshnessOf(each, io),
  });
  for (const each of places) for (const line of notesOf(each)) io.line(colors.yellow(line));
  for (const each of limits) io.line(describeLimit(each));
  for (const each of faults) io.line(describeFaultView(each));
  for (const line of [...describeLanes(lanes), ...describeMirrors(mirrors)]) io.line(line);
  for (const each of zones) io.line(`${each.subset}: ${describeZones(each)}`);
  if (clientZone?.zone === undefined && policy.document?.locality?.zones === 'prefer') {
    io.line(colors.yellow(`zones are preferred, and the client's is not known: ${clientZone?.reason ?? ''}`));
  }
  await io.table(endpoints, {
    endpoint: ({ endpoint, portName }) => describeEndpoint(endpoint, portName),
    ...fields('instance', 'datacenter'),
    subset: subsetsOf,
    health: ({ status }) => status,
    weight: (each) => each.weight,
    'in flight': ({ inFlight }) => inFlight,
    latency: ({ latencyMs }) => (latencyMs > 0 ? `${latencyMs.toFixed(1)} ms` : ''),
    breaker: (each) => breakerOf(each, io),
    connection: connectionOf,
  });
  const subsets = breakers.filter(({ level }) => level === 'subset');
  if (subsets.length > 0) {
    await io.table(subsets, {
      'breaker of': ({ key }) => key,
      state: (breaker) => stateOf(breaker, io),
      successes: ({ counts }) => counts.successes,
      failures: ({ counts }) => counts.failures,
      because: ({ openedBecause }) => openedBecause,
    });
  }
  if (guards.length > 0) {
    await io.table(guards, {
      'guard of': ({ subset }) => subset,
      against: ({ against }) => against,
      failed: ({ counts }) => describeCounts(counts),
      'its failed': ({ againstCounts }) => describeCounts(againstCounts),
      state: (guard) => describeGuard(guard, io),
    });
  }
}

/** Unusual facts about the instances. A process of an older version does not report them. */
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

/** Lookups besides the service's own watch: peers and other services. */
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
  return colors.red(`${says} for another ${formatDuration(heldForMs)}: ${because ?? ''}`);
}

function describePolicy({ policy }: ServiceInspection, { colors }: CommandIo): string {
  const { revision, origin, index, rejected } = policy;
  const refused = rejected === undefined ? '' : `  ${colors.red('a newer one was refused')}`;
  if (revision === undefined || revision === 'none') return `no policy${refused}`;
  const at = index === undefined ? '' : `, index ${index}`;
  return `revision ${revision} (${origin}${at})${refused}`;
}

function freshnessOf({ freshness, staleForMs, isHeld, connectOnly }: DatacenterInspection, io: CommandIo): string {
  const since = staleForMs === undefined ? '' : ` for ${formatDuration(staleForMs)}`;
  const parts = [
    freshness === 'fresh' ? io.colors.green(freshness) : io.colors.red(`${freshness}${since}`),
    ...(isHeld ? ['empty, not believed yet'] : []),
    ...(connectOnly ? ['Connect only'] : []),
  ];
  return parts.join(', ');
}

function subsetsOf({ subsets, unusableIn }: EndpointInspection): string {
  // A process of an older version has no `unusableIn`.
  const unusable = unusableIn ?? [];
  return subsets.map((name) => (unusable.includes(name) ? `${name} (no calls)` : name)).join(',') || '(unassigned)';
}

function breakerOf({ breaker, isSuspect, isDeprioritized, outlier, share }: EndpointInspection, io: CommandIo): string {
  const doubts = [
    breaker === undefined ? 'closed' : stateOf(breaker, io),
    ...(isSuspect ? ['suspect'] : []),
    ...(isDeprioritized ? ['deprioritized'] : []),
    ...(outlier === undefined ? [] : ['outlier']),
    // A process of an older version has no share.
    ...(share < 1 ? [`wants less: ${Math.round(100 * share)} %`] : []),
  ];
  return doubts.join(', ');
}

function connectionOf({ connections, failure }: EndpointInspection): string {
  const connection = [...new Set(connections)].join(', ') || 'none';
  return failure === undefined ? connection : `${connection}: ${failure}`;
}

function stateOf({ state, isEnabled, probesInMs, heldForMs }: BreakerView, { colors }: CommandIo): string {
  if (!isEnabled) return 'off';
  if (state === 'closed') return state;
  if (heldForMs !== undefined) return colors.red(`${state}, held for ${formatDuration(heldForMs)}`);
  if (probesInMs === undefined) return colors.yellow(state);
  return colors.red(`${state}, probes in ${formatDuration(probesInMs)}`);
}
