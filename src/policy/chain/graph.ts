import { isRecord } from '../../base/is-record';
import { type ChainReport, type Fields, fieldsOf, listOf, textOf } from './report';

/**
 * A compiled chain as a graph that is known to be sound: every node is reached from the start, leads to nodes and
 * targets that exist, and never back to itself.
 */
export interface ChainGraph {
  readonly start: ChainNode;
  /** In the order in which they are first reached. */
  readonly resolvers: readonly ResolverNode[];
}

export type ChainNode = RouterNode | SplitterNode | ResolverNode;

interface NodeBase {
  /** How warnings name it: `splitter(payments.default)`. */
  readonly path: string;
  readonly fields: Fields;
}

export interface RouterNode extends NodeBase {
  readonly type: 'router';
  readonly routes: readonly { readonly definition: Fields; readonly next: ChainNode; readonly path: string }[];
}

export interface SplitterNode extends NodeBase {
  readonly type: 'splitter';
  readonly splits: readonly SplitLeg[];
}

interface SplitLeg {
  readonly definition: Fields;
  readonly weight: number;
  readonly next: SplitterNode | ResolverNode;
  readonly path: string;
}

export interface ResolverNode extends NodeBase {
  readonly type: 'resolver';
  readonly resolver: Fields;
  readonly target: ChainTarget;
  readonly failover: readonly ChainTarget[];
}

export interface ChainTarget {
  readonly id: string;
  readonly path: string;
  readonly service: string;
  readonly fields: Fields;
}

/** No sound chain of Consul is this deep: splitters are flattened, and only one router is consulted. */
const MAX_DEPTH = 64;
const MAX_LEGS = 1_000;

/** Undefined when the chain is refused; `report` then says why. */
export function readGraph(chain: Fields, report: ChainReport): ChainGraph | undefined {
  return new GraphReader(chain, report).read();
}

class GraphReader {
  readonly #chain: Fields;
  readonly #nodes: Fields;
  readonly #targets: Fields;
  readonly #report: ChainReport;
  readonly #read = new Map<string, ChainNode>();
  readonly #open = new Set<string>();
  readonly #resolvers: ResolverNode[] = [];
  /** Of splitters, how many legs they come to when those that follow are counted in. */
  readonly #legs = new Map<ChainNode, number>();

  constructor(chain: Fields, report: ChainReport) {
    this.#chain = chain;
    this.#nodes = fieldsOf(chain['Nodes']);
    this.#targets = fieldsOf(chain['Targets']);
    this.#report = report;
  }

  read(): ChainGraph | undefined {
    const start = this.#node(this.#chain['StartNode'], 'StartNode');
    for (const id of start === undefined ? [] : Object.keys(this.#nodes)) {
      if (!this.#read.has(id))
        this.#report.refuse(`Nodes[${quoted(id)}]`, 'never reached', 'a node that the chain uses');
    }
    return start === undefined || this.#report.problems.length > 0 ? undefined : { start, resolvers: this.#resolvers };
  }

  #node(id: unknown, from: string): ChainNode | undefined {
    const found = typeof id === 'string' && Object.hasOwn(this.#nodes, id) ? this.#nodes[id] : undefined;
    if (typeof id !== 'string' || !isRecord(found)) {
      this.#report.refuse(from, id, 'a node of the chain');
      return undefined;
    }
    const known = this.#read.get(id);
    if (known !== undefined) return known;
    if (this.#open.has(id) || this.#open.size >= MAX_DEPTH) {
      this.#report.refuse(from, id, 'a node that does not lead back to itself');
      return undefined;
    }
    this.#open.add(id);
    const node = this.#parse(id, found);
    this.#open.delete(id);
    if (node !== undefined) this.#read.set(id, node);
    return node;
  }

  #parse(id: string, fields: Fields): ChainNode | undefined {
    const type = fields['Type'];
    const path = `${String(type)}(${textOf(fields['Name']) ?? id})`;
    if (type === 'router') return this.#router(path, fields);
    if (type === 'splitter') return this.#splitter(path, fields);
    if (type === 'resolver') return this.#resolver(path, fields);
    this.#report.refuse(`Nodes[${quoted(id)}].Type`, type, 'router, splitter or resolver');
    return undefined;
  }

  #router(path: string, fields: Fields): RouterNode | undefined {
    if (this.#open.size > 1) {
      this.#report.refuse(path, 'not the start', 'a router nowhere but at the start');
      return undefined;
    }
    const routes = listOf(fields['Routes']).flatMap((each, index) => {
      const route = fieldsOf(each);
      const at = `${path}.Routes[${index}]`;
      const next = this.#node(route['NextNode'], `${at}.NextNode`);
      return next === undefined ? [] : [{ definition: fieldsOf(route['Definition']), next, path: at }];
    });
    if (routes.length === 0) this.#report.refuse(`${path}.Routes`, fields['Routes'], 'at least one route');
    return { type: 'router', path, fields, routes };
  }

  #splitter(path: string, fields: Fields): SplitterNode | undefined {
    const legs = listOf(fields['Splits']);
    const splits = legs.flatMap((each, index): SplitLeg[] => {
      const split = fieldsOf(each);
      const at = `${path}.Splits[${index}]`;
      const weight = split['Weight'] ?? 0;
      if (typeof weight !== 'number' || !(weight >= 0) || !Number.isFinite(weight)) {
        this.#report.refuse(`${at}.Weight`, weight, 'a number >= 0');
        return [];
      }
      const next = this.#node(split['NextNode'], `${at}.NextNode`);
      if (next === undefined || next.type === 'router') return [];
      return [{ definition: fieldsOf(split['Definition']), weight, next, path: at }];
    });
    if (!splits.some(({ weight }) => weight > 0)) {
      this.#report.refuse(`${path}.Splits`, 'weights that add up to 0', 'a weight above 0');
    }
    const count = splits.reduce((sum, { next }) => sum + this.#legsOf(next), 0);
    if (count > MAX_LEGS) {
      this.#report.refuse(
        `${path}.Splits`,
        count,
        `at most ${MAX_LEGS} splits, those of the splitters that follow included`,
      );
      return undefined;
    }
    const node: SplitterNode = { type: 'splitter', path, fields, splits };
    this.#legs.set(node, count);
    return node;
  }

  #legsOf(node: SplitterNode | ResolverNode): number {
    return this.#legs.get(node) ?? 1;
  }

  #resolver(path: string, fields: Fields): ResolverNode | undefined {
    const resolver = fieldsOf(fields['Resolver']);
    const target = this.#target(resolver['Target'], `${path}.Target`);
    const failover = listOf(fieldsOf(resolver['Failover'])['Targets']).flatMap((id, index) => {
      const found = this.#target(id, `${path}.Failover.Targets[${index}]`);
      return found === undefined ? [] : [found];
    });
    if (target === undefined) return undefined;
    const node: ResolverNode = { type: 'resolver', path, fields, resolver, target, failover };
    this.#resolvers.push(node);
    return node;
  }

  #target(id: unknown, from: string): ChainTarget | undefined {
    const found = typeof id === 'string' && Object.hasOwn(this.#targets, id) ? this.#targets[id] : undefined;
    const fields = fieldsOf(found);
    const service = textOf(fields['Service']);
    if (typeof id !== 'string' || service === undefined) {
      this.#report.refuse(from, id, 'a target of the chain, with its Service');
      return undefined;
    }
    return { id, path: `target(${id})`, service, fields };
  }
}

function quoted(id: string): string {
  return JSON.stringify(id.slice(0, 80));
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy;
const NANOSECONDS_IN_MS = 1e6;

/**
 * A duration as Consul writes it, in milliseconds: Go's text (`1m30s`, `-1s`) or a whole number of nanoseconds.
 * Undefined for anything else. https://pkg.go.dev/time#ParseDuration
 */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value / NANOSECONDS_IN_MS : undefined;
  if (typeof value !== 'string') return undefined;
  const sign = value.startsWith('-') ? -1 : 1;
  const text = value.replace(/^[+-]/, '');
  if (text === '0') return 0;
  let total = 0;
  let end = 0;
  PART.lastIndex = 0;
  for (let part = PART.exec(text); part !== null; part = PART.exec(text)) {
    total += Number(part[1]) * (UNITS_MS[part[2] ?? ''] ?? Number.NaN);
    end = PART.lastIndex;
  }
  return end === text.length && end > 0 && Number.isFinite(total) ? sign * total : undefined;
}
