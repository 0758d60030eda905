import { seededRandom } from '../../../src/base/random';
import type { PolicyDocument } from '../../../src/index';
import type { ForceSelector } from '../../../src/policy/plan';

/** What one world is made of: a service, its policy, and what the registry lists. */
export interface World {
  readonly service: string;
  /** Where the client looks, local first. */
  readonly datacenters: readonly string[];
  readonly source: 'chain' | 'kv' | 'auto';
  readonly document: PolicyDocument | undefined;
  readonly chain: object | undefined;
  /** Of the service that the document names beside its own; undefined: it has no policy. */
  readonly other?: PolicyDocument | undefined;
  readonly listed: readonly Listed[];
  /** Places that leave out some of what they list, and say so. */
  readonly filtered: ReadonlySet<string>;
  readonly calls: readonly Call[];
}

/** One entry of the registry. */
export interface Listed {
  readonly service: string;
  /** A datacenter, or `peer north`. */
  readonly place: string;
  readonly id: string;
  /** Which of the real servers is at its address. */
  readonly server: number;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly status: 'passing' | 'warning' | 'critical';
  readonly weights: { readonly Passing: number; readonly Warning: number };
}

export interface Call {
  readonly method: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly force: ForceSelector | undefined;
  readonly seed: number;
}

export const METHODS: readonly string[] = [
  '/shop.v1.Payments/Charge',
  '/shop.v1.Payments/Refund',
  '/shop.v1.Orders/List',
];
export const DATACENTERS: readonly string[] = ['dc1', 'dc2', 'dc3'];
export const PEER = 'north';
const VERSIONS = ['v1', 'v2'];
const LANES = ['blue', 'green'];

/** Draws from one seeded stream. */
export class Dice {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  some<T>(items: readonly T[]): T[] {
    return items.filter(() => this.chance(0.5));
  }

  shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => [this.#random(), item] as const)
      .sort(([a], [b]) => a - b)
      .map(([, item]) => item);
  }
}

/** `number` tells worlds apart; `servers` are at hand. Every other world with a document has lanes. */
export function worldOf(number: number, random: () => number, servers: number, calls: number): World {
  const world = plainWorld(number, random, servers, calls);
  return number % 2 === 0 && world.document !== undefined
    ? withLanes(world, new Dice(seededRandom(number + 1)))
    : world;
}

/** The same with lanes: draws of its own, so that all other worlds stay what they are. */
function withLanes(world: World, dice: Dice): World {
  const names = Object.keys(world.document?.subsets ?? {});
  const isTwo = dice.chance(0.3);
  const first = {
    by: 'x-lane',
    ...(dice.chance(0.4) ? { fallback: dice.of(names) } : {}),
    ...(dice.chance(0.25) ? { strict: true } : {}),
    ...(dice.chance(0.3)
      ? { ends: { [dice.of(LANES)]: dice.of(['2020-01-01T00:00:00Z', '2199-01-01T00:00:00Z']) } }
      : {}),
  };
  const lanes = isTwo ? [first, { by: 'x-user-id', meta: 'user' }] : first;
  const included = dice.chance(0.3) ? dice.of(names) : undefined;
  const subsets = Object.entries(world.document?.subsets ?? {}).map(([name, subset]) =>
    name === included ? [name, { ...subset, lanes: 'include' }] : [name, subset],
  );
  return {
    ...world,
    document: { ...world.document, subsets: Object.fromEntries(subsets), lanes } as PolicyDocument,
    listed: world.listed.map((one) =>
      dice.chance(0.4) ? { ...one, meta: { ...one.meta, lane: dice.of(LANES) } } : one,
    ),
    calls: world.calls.map((call) =>
      dice.chance(0.5) ? { ...call, labels: { ...call.labels, 'x-lane': dice.of([...LANES, 'red']) } } : call,
    ),
  };
}

function plainWorld(number: number, random: () => number, servers: number, calls: number): World {
  const dice = new Dice(random);
  const service = `pay-${number}`;
  const other = `ord-${number}`;
  const isChain = dice.chance(0.5);
  const peers = isChain && dice.chance(0.4);
  const places = [...DATACENTERS, ...(peers ? [`peer ${PEER}`] : [])];
  const free = dice.shuffled(Array.from({ length: servers }, (_, index) => index));
  const listed: Listed[] = [];
  for (const place of places) {
    for (const name of isChain ? [service, other] : [service]) {
      const count = dice.chance(0.2) ? 0 : 1 + dice.below(3);
      for (let at = 0; at < count; at += 1) {
        // Now and then one process is registered under both names, and its checks need not agree.
        const shared = listed.find((one) => one.place === place && one.service !== name);
        const server = shared !== undefined && dice.chance(0.2) ? shared.server : free.pop();
        const isTaken = listed.some((one) => one.place === place && one.service === name && one.server === server);
        if (server !== undefined && !isTaken) listed.push(entry(dice, name, place, server, at));
      }
    }
  }
  const tail = dice.shuffled(DATACENTERS.slice(1));
  const datacenters = ['dc1', ...(dice.chance(0.7) ? tail : tail.slice(0, dice.below(3)))];
  const document = isChain ? undefined : dice.chance(0.1) ? undefined : documentOf(dice, service);
  return {
    service,
    datacenters,
    source: isChain ? dice.of(['chain', 'auto']) : dice.of(['kv', 'auto']),
    document,
    chain: isChain ? chainOf(dice, service, other, peers) : undefined,
    listed,
    filtered: new Set(dice.chance(0.15) ? [dice.of(places)] : []),
    calls: Array.from({ length: calls }, () => callOf(dice, listed, document)),
  };
}

function entry(dice: Dice, service: string, place: string, server: number, at: number): Listed {
  return {
    service,
    place,
    id: `${service}-${place.replace(' ', '-')}-${at}`,
    server,
    tags: dice.some(['stable', 'canary']),
    meta: dice.chance(0.85) ? { version: dice.of(VERSIONS) } : {},
    status: dice.of(['passing', 'passing', 'passing', 'warning', 'critical']),
    weights: { Passing: 1 + dice.below(9), Warning: dice.of([0, 1, 1]) },
  };
}

function documentOf(dice: Dice, service: string): PolicyDocument {
  const selectors = [{ tags: ['stable'] }, { tags: ['canary'] }, { meta: { version: 'v1' } }, { tags: ['nobody'] }];
  const filters = [{ filter: 'Service.Meta.version == "v2"' }, { filter: '"canary" in Service.Tags' }];
  const names = ['one', 'two', 'three'].slice(0, 1 + dice.below(3));
  const subsets = Object.fromEntries(
    names.map((name, at) => {
      const fallback = at > 0 && dice.chance(0.6) ? { fallback: names[dice.below(at)] as string } : {};
      return [name, { ...dice.of<object>(dice.chance(0.25) ? filters : selectors), ...fallback }];
    }),
  );
  const where = (): object =>
    names.length > 1 && dice.chance(0.5)
      ? {
          split: [
            { to: names[0], weight: 1 + dice.below(9) },
            { to: names[1], weight: 1 + dice.below(9) },
          ],
          ...(dice.chance(0.5) ? { stickBy: 'x-user-id' } : {}),
        }
      : { to: dice.of(names) };
  const routes = [
    ...(dice.chance(0.6) ? [{ name: 'gray', match: { labels: { 'x-gray': 'canary' } }, ...where() }] : []),
    ...(dice.chance(0.4) ? [{ name: 'orders', match: { methods: ['/shop.v1.Orders/'] }, ...where() }] : []),
    ...(dice.chance(0.5) ? [{ name: 'all', ...where() }] : []),
  ].map((route) => (dice.chance(0.2) ? { ...route, strict: true } : route));
  const override = {
    ...(dice.chance(0.5) ? { to: dice.of(names) } : {}),
    datacenter: dice.of(DATACENTERS),
    until: '2199-01-01T00:00:00Z',
    by: 'test',
    reason: 'drill',
  };
  return {
    schema: 1,
    service,
    subsets,
    default: dice.of(names),
    routes,
    ...(dice.chance(0.4) ? { override } : {}),
    balancing: {
      algorithm: dice.of(['peak_ewma', 'least_request', 'round_robin', 'random'] as const),
      slowStartMs: 0,
      ...(dice.chance(0.15) ? { subsetSize: 1 } : {}),
    },
    locality: {
      prefer: dice.of(['subset', 'datacenter'] as const),
      ...(dice.chance(0.4) ? { failover: dice.some(['dc2', 'dc3', 'dc9']) } : {}),
    },
  } as unknown as PolicyDocument;
}

interface Target {
  readonly Service: string;
  readonly ServiceSubset: string;
  readonly Datacenter: string;
  readonly Peer?: string;
}

const idOf = ({ Service, ServiceSubset, Datacenter, Peer }: Target): string =>
  `${ServiceSubset === '' ? '' : `${ServiceSubset}.`}${Service}.default.${Peer === undefined ? Datacenter : `external.${Peer}`}`;

/** A chain as Consul compiles it: redirects, default subsets and failover are in its targets. */
function chainOf(dice: Dice, service: string, other: string, peers: boolean): object {
  const rules = new Map<string, object>();
  const targetOf = (): Target => {
    const Service = dice.chance(0.75) ? service : other;
    const Datacenter = dice.chance(0.6) ? 'dc1' : dice.of(DATACENTERS);
    if (peers && dice.chance(0.25)) return { Service, ServiceSubset: '', Datacenter: 'dc1', Peer: PEER };
    return { Service, ServiceSubset: dice.of(['', ...VERSIONS]), Datacenter };
  };
  const completed = (target: Target): object => {
    const name = `${target.Service}/${target.ServiceSubset}`;
    const filter = target.ServiceSubset === '' ? {} : { Filter: `Service.Meta.version == ${target.ServiceSubset}` };
    const rule = rules.get(name) ?? { ...filter, OnlyPassing: dice.chance(0.5) };
    rules.set(name, rule);
    // Without a subset of that name there is nothing that could say OnlyPassing.
    const own = target.ServiceSubset === '' ? {} : rule;
    return { ID: idOf(target), ...target, Namespace: 'default', MeshGateway: {}, Subset: own };
  };
  const nodes: Record<string, object> = {};
  const targets: Record<string, object> = {};
  const resolvers: string[] = [];
  for (let at = 0; at < 1 + dice.below(3); at += 1) {
    const main = targetOf();
    const id = `resolver:${idOf(main)}`;
    const failover = Array.from({ length: dice.below(4) }, targetOf).filter((each) => idOf(each) !== idOf(main));
    for (const each of [main, ...failover]) targets[idOf(each)] ??= completed(each);
    if (nodes[id] !== undefined) continue;
    const Failover = failover.length === 0 ? {} : { Failover: { Targets: [...new Set(failover.map(idOf))] } };
    nodes[id] = {
      Type: 'resolver',
      Name: idOf(main),
      Resolver: { ConnectTimeout: '5s', Target: idOf(main), ...Failover },
    };
    resolvers.push(id);
  }
  const splitter = (): string => {
    nodes['splitter:s'] = {
      Type: 'splitter',
      Name: 's',
      Splits: resolvers.map((NextNode) => ({ Weight: 1 + dice.below(50), NextNode })),
    };
    return 'splitter:s';
  };
  const start = dice.of(['resolver', 'splitter', 'router']);
  let StartNode = resolvers[0] as string;
  if (start === 'splitter') StartNode = splitter();
  if (start === 'router') {
    const next = dice.chance(0.3) ? splitter() : (resolvers.at(-1) as string);
    const gray = { Match: { HTTP: { Header: [{ Name: 'x-gray', Exact: 'canary' }] } } };
    const orders = { Match: { HTTP: { PathPrefix: '/shop.v1.Orders/' } } };
    const everything = { Match: { HTTP: { PathPrefix: '/' } } };
    StartNode = 'router:r';
    nodes[StartNode] = {
      Type: 'router',
      Name: 'r',
      Routes: [
        { Definition: gray, NextNode: next },
        { Definition: orders, NextNode: dice.of(resolvers) },
        { Definition: everything, NextNode: resolvers[0] },
      ],
    };
  }
  const Nodes = reached(nodes as Record<string, ChainNode>, StartNode);
  return {
    ServiceName: service,
    Namespace: 'default',
    Datacenter: 'dc1',
    Protocol: 'grpc',
    StartNode,
    Nodes,
    Targets: targets,
  };
}

interface ChainNode {
  readonly Routes?: readonly { readonly NextNode: string }[];
  readonly Splits?: readonly { readonly NextNode: string }[];
}

function reached(nodes: Readonly<Record<string, ChainNode>>, start: string): Record<string, ChainNode> {
  const node = nodes[start] as ChainNode;
  const onward = [...(node.Routes ?? []), ...(node.Splits ?? [])].map(({ NextNode }) => reached(nodes, NextNode));
  return Object.assign({ [start]: node }, ...onward);
}

function callOf(dice: Dice, listed: readonly Listed[], document: PolicyDocument | undefined): Call {
  const labels: Record<string, string> = {};
  if (dice.chance(0.5)) labels['x-gray'] = dice.of(['canary', 'canary', 'stable']);
  if (dice.chance(0.7)) labels['x-user-id'] = `u-${dice.below(1_000)}`;
  if (dice.chance(0.3)) labels['x-lane'] = dice.of(['blue', 'green']);
  const instance = listed.length === 0 ? 'nobody' : dice.of(listed).id;
  const subset = dice.of([...Object.keys(document?.subsets ?? { v1: 1, '*': 1 }), 'unheard']);
  const force: ForceSelector | undefined = dice.chance(0.25)
    ? {
        ...dice.of<ForceSelector>([
          { subset },
          { datacenter: dice.of([...DATACENTERS, 'dc9']) },
          { instance },
          { subset, instance },
          { subset, datacenter: dice.of(DATACENTERS) },
        ]),
        ...(dice.chance(0.5) ? { strict: false } : {}),
      }
    : undefined;
  return { method: dice.of(METHODS), labels, force, seed: dice.below(1_000_000) };
}
