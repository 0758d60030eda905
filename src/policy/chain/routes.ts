import { DEFAULT_RETRY } from '../defaults';
import type { StatusName } from '../document';
import { statusesOfCondition, statusOfHttp } from '../envoy-retries';
import { MAX_ATTEMPTS } from '../limits';
import type { Decision, RetryPlan, RoutePlan, SplitEntryPlan, SplitPlan } from '../plan';
import { compileSplit } from '../split';
import type { ChainDecisions, Passage } from './decisions';
import { type ChainNode, parseDuration, type ResolverNode, type RouterNode, type SplitterNode } from './graph';
import { compileChainMatch, compileHeaders, isCatchAll } from './match';
import { type ChainReport, type Fields, fieldsOf, isSet, listOf, textOf } from './report';

const ROUTE_FIELDS: readonly string[] = ['Match', 'Destination'];
const DESTINATION_FIELDS: readonly string[] = [
  'Service',
  'ServiceSubset',
  'Namespace',
  'Partition',
  'PrefixRewrite',
  'RequestTimeout',
  'IdleTimeout',
  'NumRetries',
  'RetryOnConnectFailure',
  'RetryOn',
  'RetryOnStatusCodes',
  'RequestHeaders',
  'ResponseHeaders',
];
const SPLIT_FIELDS: readonly string[] = [
  'Weight',
  'Service',
  'ServiceSubset',
  'Namespace',
  'Partition',
  'RequestHeaders',
  'ResponseHeaders',
];
const NODE_FIELDS: readonly string[] = ['Type', 'Name', 'Routes', 'Splits', 'LoadBalancer'];
const DEFAULT: Passage = {
  by: 'default',
  route: 'default',
  timeoutMs: undefined,
  retry: undefined,
  hashPolicies: undefined,
  requestHeaders: [],
};

interface CompiledRoutes {
  readonly routes: readonly RoutePlan[];
  readonly fallthrough: Decision;
}

/** The way from a chain's start to its resolvers. A chain that cannot be followed is refused in `report`. */
export function compileRoutes(start: ChainNode, decisions: ChainDecisions, report: ChainReport): CompiledRoutes {
  if (start.type === 'router') return compileRouter(start, decisions, report);
  if (start.type === 'resolver') {
    const hashPolicies = decisions.hashPoliciesOf(start.fields['LoadBalancer'], `${start.path}.LoadBalancer`);
    return { routes: [], fallthrough: decisions.decide(start, { ...DEFAULT, hashPolicies }) };
  }
  const split = compileNext(start, { ...DEFAULT, by: 'route', route: 'split' }, decisions, report);
  return { routes: [{ name: 'split', index: 0, match: undefined, split }], fallthrough: firstOf(split) };
}

function compileRouter(router: RouterNode, decisions: ChainDecisions, report: ChainReport): CompiledRoutes {
  report.unknown(router.path, router.fields, NODE_FIELDS);
  const last = router.routes.at(-1);
  if (last === undefined || !isCatchAll(last.definition)) {
    report.refuse(`${router.path}.Routes`, 'no route for what matches none', 'a last route for every path');
  }
  const routes = router.routes.map(({ definition, next, path }, index): RoutePlan => {
    report.unknown(`${path}.Definition`, definition, ROUTE_FIELDS);
    const name = index === router.routes.length - 1 ? 'default' : `routes[${index}]`;
    const passage = compileDestination(fieldsOf(definition['Destination']), name, `${path}.Destination`, report);
    const match = compileChainMatch(definition, path, report);
    return { name, index, match, split: compileNext(next, passage, decisions, report) };
  });
  return { routes, fallthrough: firstOf((routes.at(-1) as RoutePlan).split) };
}

function compileDestination(destination: Fields, route: string, path: string, report: ChainReport): Passage {
  report.unknown(path, destination, DESTINATION_FIELDS);
  if (textOf(destination['PrefixRewrite']) !== undefined) {
    report.cannot(`${path}.PrefixRewrite`, 'the path of a gRPC call is its method, and stays');
  }
  if (isSet(destination['IdleTimeout'])) {
    report.cannot(`${path}.IdleTimeout`, 'an idle call is not ended; RequestTimeout and deadlines are');
  }
  reportResponseHeaders(destination, path, report);
  const requestHeaders = compileHeaders(destination['RequestHeaders'], `${path}.RequestHeaders`, report);
  const retry: RetryPlan | undefined = compileRetries(destination, path, report);
  return {
    by: 'route',
    route,
    timeoutMs: timeoutOf(destination['RequestTimeout'], `${path}.RequestTimeout`, report),
    retry,
    hashPolicies: undefined,
    requestHeaders: requestHeaders === undefined ? [] : [requestHeaders],
  };
}

/** Below zero means none at all, as Consul says; null here. */
function timeoutOf(value: unknown, path: string, report: ChainReport): number | undefined | null {
  if (!isSet(value)) return undefined;
  const milliseconds = parseDuration(value);
  if (milliseconds === undefined) report.cannot(path, `${textOf(value) ?? typeof value} is no duration`);
  if (milliseconds === undefined || milliseconds === 0) return undefined;
  return milliseconds < 0 ? null : milliseconds;
}

function compileNext(next: ChainNode, passage: Passage, decisions: ChainDecisions, report: ChainReport): SplitPlan {
  const hashPolicies = decisions.hashPoliciesOf(next.fields['LoadBalancer'], `${next.path}.LoadBalancer`);
  const entries =
    next.type === 'splitter'
      ? compileSplits(next, 1, { ...passage, hashPolicies }, decisions, report)
      : [entryOf(next as ResolverNode, 1, { ...passage, hashPolicies }, decisions)];
  return compileSplit(entries, { salt: passage.route, stickBy: undefined, base: entries[0]?.subset });
}

type SplitEntry = Omit<SplitEntryPlan, 'buckets' | 'end'>;

/** Splitters that lead to splitters are one: their weights multiply. */
function compileSplits(
  splitter: SplitterNode,
  share: number,
  passage: Passage,
  decisions: ChainDecisions,
  report: ChainReport,
): readonly SplitEntry[] {
  report.unknown(splitter.path, splitter.fields, NODE_FIELDS);
  const total = splitter.splits.reduce((sum, { weight }) => sum + weight, 0);
  return splitter.splits.flatMap(({ definition, weight, next, path }) => {
    report.unknown(`${path}.Definition`, definition, SPLIT_FIELDS);
    reportResponseHeaders(definition, `${path}.Definition`, report);
    const own = compileHeaders(definition['RequestHeaders'], `${path}.Definition.RequestHeaders`, report);
    // The inner change comes first, so that the outer one has the last word, as in Envoy.
    const headers = own === undefined ? passage.requestHeaders : [own, ...passage.requestHeaders];
    const through = { ...passage, requestHeaders: headers };
    const part = total === 0 ? 0 : (share * weight) / total;
    if (next.type === 'splitter') return compileSplits(next, part, through, decisions, report);
    return [entryOf(next, part, through, decisions)];
  });
}

function entryOf(resolver: ResolverNode, weight: number, passage: Passage, decisions: ChainDecisions): SplitEntry {
  const decision = decisions.decide(resolver, passage);
  const { subset } = decision.destination;
  return { subset, to: subset, weight, decision };
}

function reportResponseHeaders(fields: Fields, path: string, report: ChainReport): void {
  if (isSet(fields['ResponseHeaders'])) {
    report.cannot(`${path}.ResponseHeaders`, 'what a server answers reaches the caller unchanged');
  }
}

function firstOf(split: SplitPlan): Decision {
  return (split.entries[0] as SplitEntryPlan).decision;
}

/** Envoy retries once where nothing else is said. */
const DEFAULT_RETRIES = 1;

/** Retries of a route's destination; undefined where it says nothing of them. */
function compileRetries(destination: Fields, path: string, report: ChainReport): RetryPlan | undefined {
  const conditions = listOf(destination['RetryOn']).map(String);
  const statuses = listOf(destination['RetryOnStatusCodes']).map(String);
  const onConnectFailure = destination['RetryOnConnectFailure'] === true;
  const retries = Number(destination['NumRetries'] ?? 0);
  const hasCondition = conditions.length > 0 || statuses.length > 0 || onConnectFailure;
  if (!hasCondition && !(retries > 0)) return undefined;
  const codes = new Set<StatusName>(onConnectFailure ? ['UNAVAILABLE'] : []);
  conditions.forEach((name, index) => {
    const mapped = statusesOfCondition(name);
    for (const code of mapped ?? []) codes.add(code);
    if (mapped === undefined)
      report.cannot(`${path}.RetryOn[${index}]`, `${name} is not a condition of gRPC; not retried`);
  });
  statuses.forEach((status, index) => {
    const code = statusOfHttp(status);
    if (code !== undefined) codes.add(code);
    else report.cannot(`${path}.RetryOnStatusCodes[${index}]`, `${status} has no gRPC code of its own; not retried`);
  });
  if (!hasCondition) {
    for (const code of DEFAULT_RETRY.retryableStatusCodes) codes.add(code);
    report.cannot(`${path}.NumRetries`, 'without a condition Envoy never retries; here it holds for UNAVAILABLE');
  }
  const wanted = 1 + (retries > 0 ? Math.floor(retries) : DEFAULT_RETRIES);
  if (wanted > MAX_ATTEMPTS) {
    report.cannot(`${path}.NumRetries`, `${retries}; cut to ${MAX_ATTEMPTS - 1}, the most that grpc-js makes`);
  }
  return { ...DEFAULT_RETRY, maxAttempts: Math.min(wanted, MAX_ATTEMPTS), retryableStatusCodes: [...codes] };
}
