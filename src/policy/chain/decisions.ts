import type {
  BalancingPlan,
  Decision,
  Destination,
  HashPolicy,
  HeaderChanges,
  Lookup,
  Plan,
  PlannedTier,
  RetryPlan,
  SubsetPlan,
} from '../plan';
import { type ChainGraph, parseDuration, type ResolverNode } from './graph';
import { compileBalancing, compileHashPolicies } from './load-balancer';
import { type ChainReport, fieldsOf, textOf } from './report';
import { TargetSubsets } from './targets';

/** What the way to a resolver adds to the decision. */
export interface Passage {
  readonly by: 'route' | 'default';
  readonly route: string;
  /** Undefined: the resolver's. Null: none, whatever the resolver says. */
  readonly timeoutMs: number | undefined | null;
  readonly retry: RetryPlan | undefined;
  readonly hashPolicies: readonly HashPolicy[] | undefined;
  readonly requestHeaders: readonly HeaderChanges[];
}

interface ChainFacts {
  readonly service: string;
  readonly datacenter: string;
  readonly sourceAddress: string;
}

const NODE_FIELDS: readonly string[] = ['Type', 'Name', 'Resolver', 'LoadBalancer', 'Routes', 'Splits'];
const RESOLVER_FIELDS: readonly string[] = ['Default', 'ConnectTimeout', 'RequestTimeout', 'Target', 'Failover'];
const FAILOVER_FIELDS: readonly string[] = ['Targets', 'Policy', 'Regions'];
/** Modes of a failover policy under which the targets are tried as they are listed. */
const IN_ORDER: readonly unknown[] = [undefined, '', 'default', 'sequential'];

/** The resolvers of a chain as destinations, and the decisions that lead to them. */
export class ChainDecisions {
  readonly #plan: Plan;
  readonly #facts: ChainFacts;
  readonly #report: ChainReport;
  readonly #targets: TargetSubsets;
  readonly #destinations: Destination[] = [];
  readonly #byResolver = new Map<ResolverNode, ResolvedNode>();
  readonly #connectTimeouts: number[] = [];

  constructor(plan: Plan, graph: ChainGraph, facts: ChainFacts, report: ChainReport) {
    this.#plan = plan;
    this.#facts = facts;
    this.#report = report;
    this.#targets = new TargetSubsets(facts.service, facts.datacenter, report);
    // The resolver's own targets first: what stands in for one and is also reached by itself is balanced by its own
    // rules.
    const resolved = graph.resolvers.map((node) => {
      const balancing = compileBalancing(node.fields['LoadBalancer'], `${node.path}.LoadBalancer`, report);
      return { node, balancing, tier: this.#targets.tierOf(node.target, balancing) };
    });
    for (const { node, balancing, tier } of resolved) this.#byResolver.set(node, this.#resolve(node, balancing, tier));
    // Those that only stand in for others can be forced as well.
    for (const { name, lookups } of this.subsets().values()) {
      if (this.#destinations.some(({ subset }) => subset === name)) continue;
      this.#destine((lookups ?? []).map(({ datacenter }) => ({ subset: name, datacenter })));
    }
  }

  get destinations(): readonly Destination[] {
    return this.#destinations;
  }

  subsets(): ReadonlyMap<string, SubsetPlan> {
    return this.#targets.subsets();
  }

  lookups(): readonly Lookup[] {
    return this.#targets.lookups();
  }

  /** The shortest of the chain: a Graylane client has one for all its connections. */
  connectTimeoutMs(): number | undefined {
    return this.#connectTimeouts.length === 0 ? undefined : Math.min(...this.#connectTimeouts);
  }

  decide(node: ResolverNode, passage: Passage): Decision {
    const { destination, timeoutMs } = this.#byResolver.get(node) as ResolvedNode;
    const { hashPolicies, requestHeaders } = passage;
    return {
      plan: this.#plan,
      by: passage.by,
      route: passage.route,
      destination,
      timeoutMs: passage.timeoutMs === undefined ? timeoutMs : (passage.timeoutMs ?? undefined),
      attemptTimeoutMs: undefined,
      retry: passage.retry,
      hedging: undefined,
      datacenters: undefined,
      force: undefined,
      ...(hashPolicies === undefined ? {} : { hashPolicies }),
      ...(requestHeaders.length === 0 ? {} : { requestHeaders }),
    };
  }

  /** Of the node that a route leads to, as Envoy takes it; undefined unless it balances by hash. */
  hashPoliciesOf(loadBalancer: unknown, path: string): readonly HashPolicy[] | undefined {
    return compileHashPolicies(loadBalancer, path, this.#facts.sourceAddress, this.#report);
  }

  #resolve(node: ResolverNode, balancing: BalancingPlan | undefined, tier: PlannedTier): ResolvedNode {
    const { path, resolver } = node;
    this.#report.unknown(path, node.fields, NODE_FIELDS);
    this.#report.unknown(path, resolver, RESOLVER_FIELDS);
    const failover = fieldsOf(resolver['Failover']);
    this.#report.unknown(`${path}.Failover`, failover, FAILOVER_FIELDS, 'targets are tried as they are listed');
    const mode = fieldsOf(failover['Policy'])['Mode'];
    if (!IN_ORDER.includes(mode)) {
      this.#report.cannot(`${path}.Failover.Policy.Mode`, `${String(mode)}; targets are tried as they are listed`);
    }
    const tiers = [tier, ...node.failover.map((target) => this.#targets.tierOf(target, balancing))];
    const connectTimeoutMs = this.#duration(resolver['ConnectTimeout'], `${path}.ConnectTimeout`);
    if (connectTimeoutMs !== undefined && connectTimeoutMs > 0) this.#connectTimeouts.push(connectTimeoutMs);
    const timeoutMs = this.#duration(resolver['RequestTimeout'], `${path}.RequestTimeout`);
    return {
      destination: this.#destine(tiers),
      timeoutMs: timeoutMs !== undefined && timeoutMs > 0 ? timeoutMs : undefined,
    };
  }

  #duration(value: unknown, path: string): number | undefined {
    if (value === undefined || value === null || value === '' || value === 0) return undefined;
    const milliseconds = parseDuration(value);
    if (milliseconds === undefined) this.#report.cannot(path, `${textOf(value) ?? typeof value} is no duration`);
    return milliseconds;
  }

  /** The open destination; the strict one, which knows the first tier's subset only, comes after it. */
  #destine(tiers: readonly PlannedTier[]): Destination {
    const subset = tiers[0]?.subset ?? '';
    const distinct = [...new Map(tiers.map((tier) => [JSON.stringify(tier), tier])).values()];
    const chain = [...new Set(tiers.map((tier) => tier.subset))];
    const open = { index: this.#destinations.length, subset, strict: false, chain, tiers: distinct };
    const own = distinct.filter((tier) => tier.subset === subset);
    this.#destinations.push(open, { index: open.index + 1, subset, strict: true, chain: [subset], tiers: own });
    return open;
  }
}

interface ResolvedNode {
  readonly destination: Destination;
  readonly timeoutMs: number | undefined;
}

/**
 * True for the chain of a service without router, splitter or resolver entries. Newer servers say so (`Default`); for
 * older ones it is what they mean by it: a default resolver, at the start, of the service itself.
 */
export function isDefaultChain(content: unknown): boolean {
  const chain = fieldsOf(content);
  if (typeof chain['Default'] === 'boolean' && chain['Default']) return true;
  const start = fieldsOf(fieldsOf(chain['Nodes'])[textOf(chain['StartNode']) ?? '']);
  const resolver = fieldsOf(start['Resolver']);
  if (start['Type'] !== 'resolver' || resolver['Default'] !== true) return false;
  const target = fieldsOf(fieldsOf(chain['Targets'])[textOf(resolver['Target']) ?? '']);
  return ['Namespace', 'Partition'].every((name) => target[name] === chain[name]) && isOwnService(target, chain);
}

function isOwnService(target: Readonly<Record<string, unknown>>, chain: Readonly<Record<string, unknown>>): boolean {
  return target['Service'] === chain['ServiceName'] && textOf(target['Peer']) === undefined;
}
