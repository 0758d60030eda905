import { defined } from '../../base/defined';
import { compileChain } from '../../policy/chain/compile';
import { type ChainGraph, readGraph } from '../../policy/chain/graph';
import { matchesNothing } from '../../policy/chain/match';
import { ChainReport, fieldsOf, textOf } from '../../policy/chain/report';
import type {
  DestinationDocument,
  PolicyDocument,
  RetryDocument,
  RouteDocument,
  RouteTargetDocument,
  SplitEntryDocument,
} from '../../policy/document';
import { MAX_SPLIT_ENTRIES } from '../../policy/limits';
import { plainName } from '../../policy/places/destination';
import { ALL_INSTANCES, type Plan, type PolicyProblem, type RoutePlan } from '../../policy/plan';
import { isPlain } from '../imports/sound';
import { aboutOther } from '../imports/targets';
import { exportBalancing } from './export-balancing';
import { exportHeaders } from './export-headers';
import { exportMatch } from './export-match';
import { decisionGroups, type ExportedPlaces, exportPlaces } from './export-places';
import { unusedSubsets } from './unused-subsets';

export interface ExportChainOptions {
  readonly service: string;
  /** The service-resolver of the service, for subsets that its chain does not lead to. Default: none. */
  readonly resolver?: unknown;
}

export interface ExportedChain {
  /** Undefined when the chain leads nowhere that a document can name. */
  readonly document: PolicyDocument | undefined;
  /** What is in force under the chain and not under the document, by the chain's own paths. */
  readonly unsaid: readonly PolicyProblem[];
  /** What is in force under neither, as a client that follows the chain warns of it. */
  readonly warnings: readonly PolicyProblem[];
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
  const made = plan.routes.flatMap((route) => exportRoute(route, graph, places, report));
  const routes = plan.routes.length === 0 ? defaultRoute(plan, places) : made;
  const [last] = routes.slice(-1);
  const isTotal = last !== undefined && last.match === undefined;
  const base = isTotal ? ownTarget(last, places) : ownName(places.destinationOf(plan.fallthrough), places);
  const further = (): readonly PolicyProblem[] => furtherWarnings(plan, report);
  if (!isTotal && base === undefined) {
    return { document: undefined, unsaid: report.warnings, warnings: further(), notes: [] };
  }
  const decisions = decisionGroups(plan).flat();
  const said = decisions.filter((decision) => places.destinationOf(decision) !== undefined);
  const { balancing, subsets: balanced } = exportBalancing(plan, graph, places.own, said, report);
  reportConnectTimeout(plan, graph, report);
  const kept = last !== undefined && isPlain(last) ? routes.slice(0, -1) : routes;
  const timeoutMs = plan.routes.length === 0 ? shortened(plan.fallthrough.timeoutMs) : undefined;
  const subsets = { ...places.subsets };
  for (const [name, own] of balanced)
    subsets[places.nameOf(name)] = { ...subsets[places.nameOf(name)], balancing: own };
  const [first] = Object.keys(subsets);
  return {
    document: {
      schema: 1,
      service,
      ...(first === undefined ? {} : { subsets, default: base ?? first }),
      ...(kept.length === 0 ? {} : { routes: kept }),
      ...defined({ timeoutMs, balancing }),
      locality: places.locality,
    },
    unsaid: report.warnings,
    warnings: further(),
    notes: notesOf(places),
  };
}

/** What a client does not do that follows the chain. One that follows the document changes what servers answer. */
function furtherWarnings(plan: Plan, report: ChainReport): readonly PolicyProblem[] {
  const told = new Set(report.warnings.map(({ message }) => message));
  return plan.warnings.filter(({ path, message }) => !told.has(message) && !path.endsWith('.ResponseHeaders'));
}

/** A chain that begins with a resolver: one route where `default` cannot say where it leads. */
function defaultRoute(plan: Plan, places: ExportedPlaces): readonly RouteDocument[] {
  const to = places.destinationOf(plan.fallthrough);
  const failover = places.failoverOf([plan.fallthrough]);
  if (to === undefined || (plainName(to) !== undefined && failover === undefined)) return [];
  return [{ name: 'default', to, ...defined({ failover }) }];
}

/** The first own subset that a route leads to; undefined where it leads to none. */
function ownTarget({ to, split = [] }: RouteDocument, places: ExportedPlaces): string | undefined {
  const names = [to, ...split.map((entry) => entry.to)].map((each) => ownName(each, places));
  return names.find((name) => name !== undefined);
}

function ownName(to: DestinationDocument | undefined, places: ExportedPlaces): string | undefined {
  if (to === undefined || typeof to === 'string') return to;
  return to.service === undefined ? (to.subset ?? places.nameOf(ALL_INSTANCES)) : undefined;
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
  const failover = places.failoverOf(route.split.entries.map(({ decision }) => decision));
  const headers = exportHeaders(fieldsOf(written?.definition['Destination']), written?.next ?? start, path, report);
  const timeoutMs = timeoutOf(route, path, report);
  const retry = retryOf(route);
  return [{ name: route.name, ...defined({ match }), ...leg, ...defined({ failover, timeoutMs, retry }), ...headers }];
}

function exportSplit(
  { split }: RoutePlan,
  places: ExportedPlaces,
  path: string,
  report: ChainReport,
): RouteTargetDocument | undefined {
  const buckets = new Map<string, { readonly to: DestinationDocument; count: number }>();
  for (const entry of split.entries) {
    const to = places.destinationOf(entry.decision);
    if (to === undefined) continue;
    const key = JSON.stringify(to);
    const known = buckets.get(key) ?? { to, count: 0 };
    buckets.set(key, { to, count: known.count + entry.buckets });
  }
  const legs = [...buckets.values()].map(({ to, count }): SplitEntryDocument => ({ to, weight: count / PERCENT }));
  if (!legs.some(({ weight }) => weight > 0)) return undefined;
  const [only] = legs;
  if (legs.length === 1 && only !== undefined) return { to: only.to };
  if (legs.length <= MAX_SPLIT_ENTRIES) return { split: legs };
  report.cannot(path, `${legs.length} destinations in one split (expected: at most ${MAX_SPLIT_ENTRIES})`);
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

function reportConnectTimeout({ connectTimeoutMs }: Plan, graph: ChainGraph, report: ChainReport): void {
  if (connectTimeoutMs === undefined || connectTimeoutMs >= USUAL_CONNECT_TIMEOUT_MS) return;
  const path = graph.resolvers.find(({ resolver }) => resolver['ConnectTimeout'] !== undefined)?.path ?? 'chain';
  report.cannot(
    `${path}.ConnectTimeout`,
    `of the Graylane client, not of a policy: connectTimeoutMs: ${connectTimeoutMs}`,
  );
}

function notesOf({ datacenters, fallsOver, others }: ExportedPlaces): readonly string[] {
  const notes: string[] = [];
  if (datacenters.length > 1)
    notes.push(`the Graylane client needs datacenters: [${datacenters.join(', ')}], the local one first`);
  if (fallsOver) {
    notes.push(
      'a chain fails over when nobody in the target is well; a document passes part of the calls on as soon as a part is not',
    );
  }
  for (const { service, subset } of others) notes.push(aboutOther(service, subset));
  return notes;
}
