import { defined } from '../../base/defined';
import { compileChain } from '../../policy/chain/compile';
import { type ChainGraph, type ChainNode, readGraph } from '../../policy/chain/graph';
import { compileHeaders, matchesNothing } from '../../policy/chain/match';
import { ChainReport, fieldsOf, textOf } from '../../policy/chain/report';
import type {
  BalancingDocument,
  PolicyDocument,
  RetryDocument,
  RouteDocument,
  RouteTargetDocument,
  SplitEntryDocument,
} from '../../policy/document';
import { MAX_SPLIT_ENTRIES } from '../../policy/limits';
import { plainName } from '../../policy/places/destination';
import type { Decision, Plan, PolicyProblem, RoutePlan } from '../../policy/plan';
import { exportMatch } from './export-match';
import { decisionsOf, type ExportedPlaces, exportPlaces } from './export-places';
import { unusedSubsets } from './unused-subsets';

export interface ExportChainOptions {
  readonly service: string;
  /** The service-resolver of the service, for subsets that its chain does not lead to. Default: none. */
  readonly resolver?: unknown;
}

export interface ExportedChain {
  /** Undefined when the chain leads to other services alone. */
  readonly document: PolicyDocument | undefined;
  /** What is in force under the chain and not under the document, by the chain's own paths. */
  readonly unsaid: readonly PolicyProblem[];
  /** What to know besides, a sentence each. */
  readonly notes: readonly string[];
}

/** Buckets of a split for one percent. */
const PERCENT = 100;
/** The longest that a document takes: 24 days. */
const LONGEST_TIMEOUT_MS = 2_147_483_647;
/** A Graylane client's own, which no chain lengthens. */
const USUAL_CONNECT_TIMEOUT_MS = 2_000;

/**
 * A compiled discovery chain as the policy document that decides alike, and what such a document has no words for.
 * Pure. Throws a PolicyError for a chain that is not sound.
 */
export function exportChain(content: unknown, { service, resolver }: ExportChainOptions): ExportedChain {
  const plan = compileChain(content, { service, sourceAddress: '127.0.0.1' });
  const report = new ChainReport();
  const chain = fieldsOf(content);
  const graph = readGraph(chain, report);
  if (graph === undefined) throw new Error('a chain that compiles has a graph');
  const unused = unusedSubsets(resolver, plan, report);
  const places = exportPlaces(plan, graph, textOf(chain['Datacenter']) ?? '', unused, report);
  reportHeaders(graph.start, report);
  const routes = plan.routes.flatMap((route) => exportRoute(route, graph, places, report));
  const fallback = places.nameOf(plan.fallthrough);
  const last = routes.at(-1);
  const base = last?.match === undefined ? (plainName(last?.to ?? last?.split?.[0]?.to) ?? fallback) : fallback;
  if (base === undefined) {
    return { document: undefined, unsaid: report.warnings, notes: [] };
  }
  const own = decisionsOf(plan).filter((decision) => places.nameOf(decision) !== undefined);
  const balancing = exportBalancing(plan, graph, own, report);
  reportConnectTimeout(plan, graph, report);
  const kept = last !== undefined && saysNothing(last) ? routes.slice(0, -1) : routes;
  const timeoutMs = plan.routes.length === 0 ? shortened(plan.fallthrough.timeoutMs) : undefined;
  const subsets = Object.keys(places.subsets).length === 0 ? {} : { subsets: places.subsets, default: base };
  return {
    document: {
      schema: 1,
      service,
      ...subsets,
      ...(kept.length === 0 ? {} : { routes: kept }),
      ...defined({ timeoutMs, balancing }),
      locality: places.locality,
    },
    unsaid: report.warnings,
    notes: notesOf(places),
  };
}

function exportRoute(
  route: RoutePlan,
  { start }: ChainGraph,
  places: ExportedPlaces,
  report: ChainReport,
): readonly RouteDocument[] {
  if (matchesNothing(route.match)) return [];
  const written = start.type === 'router' ? start.routes[route.index] : undefined;
  const path = written?.path ?? start.path;
  const match = written === undefined ? undefined : exportMatch(written.definition, path, report);
  const leg = match === false ? undefined : exportSplit(route, places, path, report);
  if (match === false || leg === undefined) {
    report.cannot(path, 'left out; its calls go on to the routes that follow');
    return [];
  }
  const timeoutMs = timeoutOf(route, path, report);
  const retry = retryOf(route);
  return [{ name: route.name, ...defined({ match }), ...leg, ...defined({ timeoutMs, retry }) }];
}

function exportSplit(
  { split }: RoutePlan,
  places: ExportedPlaces,
  path: string,
  report: ChainReport,
): RouteTargetDocument | undefined {
  const buckets = new Map<string, number>();
  for (const entry of split.entries) {
    const name = places.nameOf(entry.decision);
    if (name !== undefined) buckets.set(name, (buckets.get(name) ?? 0) + entry.buckets);
  }
  const legs = [...buckets].map(([to, count]): SplitEntryDocument => ({ to, weight: count / PERCENT }));
  if (!legs.some(({ weight }) => weight > 0)) return undefined;
  const [only] = legs;
  if (legs.length === 1 && only !== undefined) return { to: only.to };
  if (legs.length <= MAX_SPLIT_ENTRIES) return { split: legs };
  report.cannot(path, `${legs.length} subsets in one split (expected: at most ${MAX_SPLIT_ENTRIES})`);
  return undefined;
}

/** A document has one for the route; a chain has one for each resolver that it may lead to. */
function timeoutOf({ split }: RoutePlan, path: string, report: ChainReport): number | undefined {
  const served = split.entries.filter(({ buckets }) => buckets > 0);
  const all = new Set(served.map(({ decision }) => decision.timeoutMs));
  if (all.size <= 1) return shortened([...all][0]);
  const longest = all.has(undefined) ? undefined : Math.max(...[...all].map(Number));
  const spelled = [...all].map((each) => (each === undefined ? 'none' : `${each} ms`)).join(', ');
  report.cannot(`${path}.RequestTimeout`, `${spelled}, by resolver; a route has one: ${longest ?? 'none'}`);
  return shortened(longest);
}

function shortened(timeoutMs: number | undefined): number | undefined {
  return timeoutMs === undefined ? undefined : Math.min(timeoutMs, LONGEST_TIMEOUT_MS);
}

function retryOf({ split }: RoutePlan): RetryDocument | 'off' | undefined {
  const retry = split.entries[0]?.decision.retry;
  if (retry === undefined || retry === 'off') return retry;
  const { maxAttempts, retryableStatusCodes } = retry;
  // Conditions of HTTP alone: nothing that a gRPC call ends with is retried.
  return retryableStatusCodes.length === 0 ? 'off' : { maxAttempts, retryableStatusCodes: [...retryableStatusCodes] };
}

/** A document balances all its subsets alike. What the chain's resolvers say differently is reported. */
function exportBalancing(
  plan: Plan,
  graph: ChainGraph,
  decisions: readonly Decision[],
  report: ChainReport,
): BalancingDocument | undefined {
  const [wanted, ...others] = distinct(
    decisions.map(({ destination }) => plan.subsets.get(destination.subset)?.balancing),
  );
  const pathOf = (): string => {
    const node = graph.resolvers.find(({ fields }) => fields['LoadBalancer'] !== undefined);
    return `${node?.path ?? 'chain'}.LoadBalancer`;
  };
  if (others.length > 0) report.cannot(pathOf(), 'a document balances all subsets alike; left at its default');
  if (wanted === undefined || others.length > 0) return undefined;
  const { algorithm, choiceCount } = wanted;
  if (choiceCount !== undefined && choiceCount !== 2) {
    report.cannot(`${pathOf()}.LeastRequestConfig.ChoiceCount`, `${choiceCount}; a document compares two`);
  }
  if (algorithm !== 'ring_hash') return { algorithm };
  const policies = distinct(decisions.map(({ hashPolicies }) => hashPolicies));
  const [policy] = policies[0] ?? [];
  const isOneHeader = policies.length === 1 && policies[0]?.length === 1 && policy?.key !== undefined;
  if (isOneHeader) return { algorithm, hashBy: policy.key };
  report.cannot(
    `${pathOf()}.HashPolicies`,
    'a document hashes by one header, the same everywhere; left at its default',
  );
  return undefined;
}

/** By what they say. */
function distinct<T>(values: readonly T[]): readonly T[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}

/** What `default` says as well. */
function saysNothing({ match, to, timeoutMs, retry }: RouteDocument): boolean {
  return match === undefined && to !== undefined && timeoutMs === undefined && retry === undefined;
}

/** A document changes no metadata. */
function reportHeaders(node: ChainNode, report: ChainReport): void {
  if (node.type === 'resolver') return;
  for (const { definition, next, path } of node.type === 'router' ? node.routes : node.splits) {
    const [holder, name] =
      node.type === 'router' ? [fieldsOf(definition['Destination']), 'Destination'] : [definition, 'Definition'];
    const at = `${path}.${name}.RequestHeaders`;
    if (compileHeaders(holder['RequestHeaders'], at, new ChainReport()) !== undefined) {
      report.cannot(at, 'left as they are; a document changes no metadata');
    }
    reportHeaders(next, report);
  }
}

function reportConnectTimeout({ connectTimeoutMs }: Plan, graph: ChainGraph, report: ChainReport): void {
  if (connectTimeoutMs === undefined || connectTimeoutMs >= USUAL_CONNECT_TIMEOUT_MS) return;
  const path = graph.resolvers.find(({ resolver }) => resolver['ConnectTimeout'] !== undefined)?.path ?? 'chain';
  report.cannot(
    `${path}.ConnectTimeout`,
    `of the Graylane client, not of a policy: connectTimeoutMs: ${connectTimeoutMs}`,
  );
}

function notesOf({ datacenters, fallsOver }: ExportedPlaces): readonly string[] {
  const notes: string[] = [];
  if (datacenters.length > 1)
    notes.push(`the Graylane client needs datacenters: [${datacenters.join(', ')}], the local one first`);
  if (fallsOver) {
    notes.push(
      'a chain fails over when nobody in the target is well; a document passes part of the calls on as soon as a part is not',
    );
  }
  return notes;
}
