import { labelKeysOf } from '../compile';
import {
  DEFAULT_BALANCING,
  DEFAULT_LOCALITY,
  DEFAULT_RETRY_BUDGET,
  resolveBreaker,
  resolveSubsetBreaker,
} from '../defaults';
import { findDestination } from '../destinations';
import { compileOverride, type EnvironmentOverride } from '../override';
import { deepFreeze } from '../plain-data';
import type { Decision, Plan } from '../plan';
import { PolicyError } from '../policy-error';
import { revisionOf } from '../revision';
import { ChainDecisions } from './decisions';
import { readGraph } from './graph';
import { ChainReport, fieldsOf, textOf } from './report';
import { compileRoutes } from './routes';

export interface CompileChainOptions {
  readonly service: string;
  /** ModifyIndex of the answer, as text. */
  readonly index?: string;
  /** From `GRAYLANE_OVERRIDE`. */
  readonly override?: EnvironmentOverride;
  /** Address of this host, for hash policies of the source's address. */
  readonly sourceAddress: string;
}

const CHAIN_FIELDS: readonly string[] = [
  'ServiceName',
  'Namespace',
  'Partition',
  'Datacenter',
  'CustomizationHash',
  'Default',
  'Protocol',
  'ServiceMeta',
  'StartNode',
  'Nodes',
  'Targets',
  'AutoVirtualIPs',
  'ManualVirtualIPs',
];

/**
 * Turns a discovery chain, as Consul compiled it from routers, splitters and resolvers, into a plan. Pure; the plan is
 * frozen. Throws a {@link PolicyError} with everything that makes the chain unsound. What a sound chain asks for and a
 * client cannot do is among the plan's warnings.
 */
export function compileChain(content: unknown, options: CompileChainOptions): Plan {
  const report = new ChainReport();
  const chain = fieldsOf(content);
  const { service } = options;
  if (chain['ServiceName'] !== service) report.refuse('ServiceName', chain['ServiceName'], service);
  const datacenter = textOf(chain['Datacenter']);
  if (datacenter === undefined) report.refuse('Datacenter', chain['Datacenter'], 'the datacenter of the chain');
  const graph = readGraph(chain, report);
  if (graph === undefined || datacenter === undefined) throw new PolicyError(service, report.problems);
  report.unknown('chain', chain, CHAIN_FIELDS);
  // Decisions and plan refer to each other, so the plan's object comes first and is filled below.
  const plan = {} as Plan;
  const decisions = new ChainDecisions(plan, graph, { ...options, datacenter }, report);
  const { routes, fallthrough } = compileRoutes(graph.start, decisions, report);
  if (report.problems.length > 0) throw new PolicyError(service, report.problems);
  const { override, warnings } = compileOverride(
    undefined,
    options.override,
    (to) => (typeof to === 'string' ? overridden(fallthrough, decisions, to) : fallthrough),
    [],
  );
  const connectTimeoutMs = decisions.connectTimeoutMs();
  Object.assign(plan, {
    service,
    origin: 'chain',
    revision: revisionOf(chain),
    index: options.index,
    subsets: decisions.subsets(),
    routes,
    fallthrough,
    override,
    destinations: decisions.destinations,
    labelKeys: labelKeysOf(routes, fallthrough),
    balancing: DEFAULT_BALANCING,
    // Consul has Envoy fail over when no instance of the target is healthy, and not before.
    locality: { ...DEFAULT_LOCALITY, overprovisioning: Number.POSITIVE_INFINITY },
    retryBudget: DEFAULT_RETRY_BUDGET,
    breaker: resolveBreaker(),
    subsetBreaker: resolveSubsetBreaker(),
    document: undefined,
    chain,
    lookups: decisions.lookups(),
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
    warnings: [...report.warnings, ...warnings],
  } satisfies Plan);
  for (const subset of plan.subsets.values()) deepFreeze(subset);
  return deepFreeze(plan);
}

function overridden(like: Decision, decisions: ChainDecisions, subset: string): Decision | undefined {
  const destination = findDestination(decisions.destinations, subset, false);
  return destination === undefined ? undefined : { ...like, destination };
}
