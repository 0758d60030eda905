import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ExportedChain, exportChain } from '../../../../src/ops/chain/export';
import { compileChain } from '../../../../src/policy/chain/compile';
import { compilePolicy } from '../../../../src/policy/compile';
import type { PolicyDocument } from '../../../../src/policy/document';
import { tierOrder } from '../../../../src/policy/membership/tiers';
import type { Decision, Plan } from '../../../../src/policy/plan';
import { decide } from '../../../../src/policy/routing/decide';
import { labelsOf } from '../../../../src/policy/routing/labels';
import { isLong } from '../../../support/slice';
import { environmentOf, newOutcome } from '../../../unit/policy/routing/fixture';
import { call, chain } from './arbitrary-chain';
import { expressible } from './expressible-chain';

const filterOf = (version: string): string => `Service.Meta.version == ${version}`;
const about = (service: string) => ({ service, origin: 'inline' }) as const;
const DATACENTERS = ['dc1', 'dc2', 'dc3'];
const CALLS = 30;

const chainPlan = (content: unknown): Plan => compileChain(content, { service: 'payments', sourceAddress: '10.0.0.1' });
const versions = { all: {}, ...Object.fromEntries(['v1', 'v2'].map((name) => [name, { filter: filterOf(name) }])) };
/** Of the other service of the chains: what Consul would compile for it. */
const orders: PolicyDocument = { schema: 1, service: 'orders', subsets: versions, default: 'all' };
const policies = new Map([['orders', compilePolicy({ content: orders, format: 'object' }, about('orders'))]]);
const documentPlan = (document: PolicyDocument): Plan =>
  compilePolicy({ content: document, format: 'object' }, { ...about('payments'), policies });

/** What a caller could notice of a decision, in the names that a document has for the chain's subsets. */
function effectOf(decision: Decision): object {
  const { plan, destination, timeoutMs, retry } = decision;
  const tiers = tierOrder(plan, destination, { datacenters: DATACENTERS, reach: DATACENTERS });
  const isRetried = retry !== undefined && retry !== 'off' && retry.retryableStatusCodes.length > 0;
  return {
    tiers: tiers.map(({ subset, datacenter }) => {
      const { filter = 'all', lookups = [] } = plan.subsets.get(subset) ?? {};
      return [lookups.find(({ service }) => service !== 'payments')?.service, filter, datacenter];
    }),
    timeoutMs,
    retry: isRetried ? retry : retry === undefined ? 'default' : 'off',
  };
}

/** Each effect that the call may have, with its buckets of 10,000. */
function effectsOf(plan: Plan, decision: Decision): ReadonlyMap<string, number> {
  const entries = plan.routes.find(({ name }) => decision.by === 'route' && name === decision.route)?.split.entries;
  const effects = new Map<string, number>();
  for (const entry of entries ?? [{ decision, buckets: 10_000 }]) {
    const effect = JSON.stringify(effectOf(entry.decision));
    if (entry.buckets > 0) effects.set(effect, (effects.get(effect) ?? 0) + entry.buckets);
  }
  return effects;
}

function agree(content: unknown, document: PolicyDocument, calls: readonly { path: string; headers: object }[]): void {
  const [before, after] = [chainPlan(content), documentPlan(document)];
  for (const { path, headers } of calls) {
    const labels = labelsOf(headers as Readonly<Record<string, string>>);
    const effects = [before, after].map((plan) => {
      const input = { method: path, labels, force: undefined, stickyKey: undefined };
      const decision = decide(plan, input, newOutcome(), environmentOf(1));
      // A splitter that comes to one subset is the document's default.
      return { route: decision.route.replace('split', 'default'), effects: effectsOf(plan, decision) };
    });
    if (!isDeepStrictEqual(effects[0], effects[1])) expect(effects[1]).toEqual(effects[0]);
  }
}

const calls = fc.array(call, { minLength: CALLS, maxLength: CALLS });

describe('a chain as a policy document', () => {
  it('decides like the chain, wherever a document has words for it', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(expressible, calls, (content, sent) => {
        const { document, unsaid } = exportChain(content, { service: 'payments' });
        expect(unsaid).toEqual([]);
        agree(content, document as PolicyDocument, sent);
      }),
      { numRuns: isLong ? 1_500 : 400 },
    );
  });

  it('is a sound document, whatever the chain, and says what it leaves out', { timeout: 60_000 }, () => {
    let documents = 0;
    fc.assert(
      fc.property(chain, calls, (content, sent) => {
        const { document, unsaid } = exportChain(content, { service: 'payments' });
        if (document === undefined) {
          expect(unsaid.length).toBeGreaterThan(0);
          return;
        }
        documents += 1;
        if (unsaid.length === 0) agree(content, document, sent);
        else expect(documentPlan(document).service).toBe('payments');
      }),
      { numRuns: isLong ? 1_000 : 300 },
    );
    expect(documents).toBeGreaterThan(isLong ? 300 : 90);
  });
});

const resolver = (target: string, more: object = {}): object => ({
  Type: 'resolver',
  Name: target,
  Resolver: { Target: target, ConnectTimeout: '5s', ...more },
});
const targets = {
  v1: { Service: 'payments', ServiceSubset: 'v1', Datacenter: 'dc1', Subset: { Filter: 'Service.Meta.version == v1' } },
  'v1-dc2': {
    Service: 'payments',
    ServiceSubset: 'v1',
    Datacenter: 'dc2',
    Subset: { Filter: 'Service.Meta.version == v1' },
  },
  v2: {
    Service: 'payments',
    ServiceSubset: 'v2',
    Datacenter: 'dc1',
    Subset: { Filter: 'Service.Meta.version == v2', OnlyPassing: true },
  },
  orders: { Service: 'orders', Datacenter: 'dc1', Subset: {} },
  'orders-v2': { Service: 'orders', ServiceSubset: 'v2', Datacenter: 'dc1', Subset: { Filter: filterOf('v2') } },
  team: { Service: 'payments', Namespace: 'team', Datacenter: 'dc1', Subset: {} },
  'all-dc2': { Service: 'payments', Datacenter: 'dc2', Subset: {} },
  'v1-cloud': { Service: 'payments', ServiceSubset: 'v1', Peer: 'cloud', Subset: { Filter: filterOf('v1') } },
};

function exported(Nodes: Record<string, object>, StartNode: string): ExportedChain {
  const chain = {
    ServiceName: 'payments',
    Namespace: 'default',
    Datacenter: 'dc1',
    StartNode,
    Nodes,
    Targets: targets,
  };
  return exportChain(chain, { service: 'payments' });
}

function routed(definition: object, next = 'v1', nodes: Record<string, object> = {}): ExportedChain {
  const routes = [
    { Definition: definition, NextNode: next },
    { Definition: { Match: { HTTP: { PathPrefix: '/' } } }, NextNode: 'v1' },
  ];
  return exported({ r: { Type: 'router', Name: 'payments', Routes: routes }, v1: resolver('v1'), ...nodes }, 'r');
}

const http = (match: object): object => ({ Match: { HTTP: match } });

describe('what a document cannot say', () => {
  it.each<[string, object, string]>([
    ['a prefix within a name', http({ PathPrefix: '/shop.v1.Payments/Ch' }), 'Match.HTTP.PathPrefix'],
    ['a prefix of packages', http({ PathPrefix: '/shop.v1.' }), 'Match.HTTP.PathPrefix'],
    ['half the name of a package', http({ PathPrefix: '/shop' }), 'Match.HTTP.PathPrefix'],
    ['an expression', http({ PathRegex: '/shop\\.v1\\.[A-Z]+/List' }), 'Match.HTTP.PathRegex'],
    ['paths that ignore case', http({ PathExact: '/a.B/C', CaseInsensitive: true }), 'Match.HTTP.CaseInsensitive'],
    [
      'three inverted conditions on one header',
      http({ Header: ['a', 'b', 'c'].map((Prefix) => ({ Name: 'x', Prefix, Invert: true })) }),
      'Match.HTTP.Header[2]',
    ],
    [
      'a header with a name longer than a label has',
      http({ Header: [{ Name: 'x'.repeat(257), Exact: 'a' }] }),
      'Match.HTTP.Header[0].Name',
    ],
  ])('is reported by its path, and its route left out: %s', (_, definition, field) => {
    const { document, unsaid } = routed(definition);
    expect(unsaid.map(({ path }) => path)).toEqual([
      `router(payments).Routes[0].${field}`,
      'router(payments).Routes[0]',
    ]);
    expect(document?.routes).toBeUndefined();
  });

  it('is who serves only while passing, and metadata that splits change each in their way', () => {
    const splits = ['v1', 'v2'].map((NextNode) => ({
      NextNode,
      Weight: 50,
      Definition: { RequestHeaders: { Set: { 'x-leg': NextNode } } },
    }));
    const { document, unsaid } = routed(http({ PathExact: '/a.B/C' }), 's', {
      s: { Type: 'splitter', Name: 's', Splits: splits },
      v2: resolver('v2'),
    });
    expect(unsaid.map(({ path }) => path)).toEqual([
      'target(v2).Subset.OnlyPassing',
      'splitter(s).Splits[0].Definition.RequestHeaders',
      'splitter(s).Splits[1].Definition.RequestHeaders',
    ]);
    expect(document?.routes?.[0]).not.toHaveProperty('requestHeaders');
  });

  it('is a place in a namespace, as a target or as who stands in', () => {
    const { document, unsaid } = routed(http({ PathExact: '/a.B/C' }), 'team', {
      team: resolver('team'),
      v1: resolver('v1', { Failover: { Targets: ['team'] } }),
    });
    expect(unsaid.map(({ message }) => message)).toEqual([
      'resolver(team).Target: * (ns team) in dc1; a document names services, datacenters and peers alone',
      'resolver(v1).Failover: * (ns team) in dc1 is left out; a document names services, datacenters and peers alone',
      'router(payments).Routes[0]: left out; its calls go on to the routes that follow',
    ]);
    expect(document?.routes).toBeUndefined();
    expect(exported({ team: resolver('team') }, 'team').document).toBeUndefined();
  });

  it('is two failover orders in one split', () => {
    const splits = ['v1', 'v2'].map((NextNode) => ({ NextNode, Weight: 50 }));
    const { unsaid } = exported(
      {
        s: { Type: 'splitter', Name: 's', Splits: splits },
        v1: resolver('v1', { Failover: { Targets: ['v1-dc2'] } }),
        v2: resolver('v2'),
      },
      's',
    );
    expect(unsaid.map(({ message }) => message)).toContain(
      'resolver(v2).Failover: v2 in dc1 in the chain, v2 in dc1, v2 in dc2 in the document',
    );
  });
});

describe('what a document says of other places', () => {
  it('is another service, as a target and as a fallback', () => {
    const { document, unsaid, notes } = routed(http({ PathExact: '/a.B/C' }), 'o', {
      o: resolver('orders-v2'),
      v1: resolver('v1', { Failover: { Targets: ['v1-dc2', 'orders'] } }),
    });
    expect(unsaid).toEqual([]);
    expect(document).toEqual({
      schema: 1,
      service: 'payments',
      subsets: { v1: { filter: filterOf('v1'), fallback: { service: 'orders', datacenter: 'dc1' } } },
      default: 'v1',
      routes: [
        { name: 'routes[0]', match: { methods: ['/a.B/C'] }, to: { service: 'orders', subset: 'v2' }, failover: [] },
      ],
      locality: { failover: ['dc2'] },
    });
    expect(notes.filter((note) => note.includes('orders')).sort()).toEqual([
      'calls go to the default of the policy of orders, or to all of its instances where it has none',
      'orders needs a policy with a subset v2; import that too, with --service orders',
    ]);
  });

  it.each<[string, object, object]>([
    ['orders', {}, { to: { service: 'orders' } }],
    ['v1-dc2', {}, { to: { subset: 'v1', datacenter: 'dc2' } }],
    ['v1-cloud', {}, { to: { subset: 'v1', peer: 'cloud' } }],
    ['all-dc2', {}, { to: { datacenter: 'dc2' } }],
    [
      'v1-dc2',
      { Failover: { Targets: ['v1', 'v1-cloud'] } },
      { to: { subset: 'v1', datacenter: 'dc2' }, failover: ['dc1', { peer: 'cloud' }] },
    ],
  ])('is all of them for a redirect: %s', (target, more, route) => {
    const { document, unsaid } = exported({ start: resolver(target, more) }, 'start');
    expect(unsaid).toEqual([]);
    expect(document?.routes).toEqual([{ name: 'default', ...route }]);
    expect(documentPlan(document as PolicyDocument).service).toBe('payments');
  });

  it('is a failover order of its own for a route', () => {
    const { document, unsaid, notes } = routed(http({ PathExact: '/a.B/C' }), 'v2', {
      v2: resolver('v2'),
      v1: resolver('v1', { Failover: { Targets: ['v1-dc2'] } }),
    });
    expect(unsaid.map(({ path }) => path)).toEqual(['target(v2).Subset.OnlyPassing']);
    expect(document).toMatchObject({ locality: { failover: ['dc2'] }, routes: [{ to: 'v2', failover: [] }] });
    expect(notes[0]).toBe('the Graylane client needs datacenters: [dc1, dc2], the local one first');
  });
});

describe('metadata', () => {
  const headers = { Add: { 'x-via': 'consul' }, Set: { 'X-A': '1' }, Remove: ['x-debug'] };
  const said = { set: { 'x-a': '1' }, add: { 'x-via': 'consul' }, remove: ['x-debug'] };

  it('is changed as the route says', () => {
    const Destination = { RequestHeaders: headers, ResponseHeaders: headers };
    const { document, unsaid, warnings } = routed({ ...http({ PathExact: '/a.B/C' }), Destination });
    expect([unsaid, warnings]).toEqual([[], []]);
    expect(document?.routes?.[0]).toMatchObject({ requestHeaders: said, responseHeaders: said });
  });

  it('is changed as the splits say where they are alike, and by the route after them', () => {
    const inner = { Set: { 'x-a': '0', 'x-b': '2' } };
    const splits = ['v1', 'v2'].map((NextNode) => ({ NextNode, Weight: 50, Definition: { RequestHeaders: inner } }));
    const { document } = routed(
      { ...http({ PathExact: '/a.B/C' }), Destination: { RequestHeaders: { Set: { 'x-a': '1' }, Remove: ['x-b'] } } },
      's',
      { s: { Type: 'splitter', Name: 's', Splits: splits }, v2: resolver('v2') },
    );
    expect(document?.routes?.[0]?.requestHeaders).toEqual({ set: { 'x-a': '1' }, remove: ['x-b'] });
  });

  it('is left as it is beyond what a document holds, which is told of each', () => {
    const Remove = Array.from({ length: 22 }, (_, index) => `x-${index}`);
    const Destination = { RequestHeaders: { Remove } };
    const { document, unsaid } = routed({ ...http({ PathExact: '/a.B/C' }), Destination });
    expect(document?.routes?.[0]?.requestHeaders?.remove).toHaveLength(20);
    expect(unsaid.map(({ path }) => path.slice(path.indexOf('Remove')))).toEqual(['Remove["x-20"]', 'Remove["x-21"]']);
  });

  it('is left as it is where a policy is no place for it', () => {
    const Destination = { RequestHeaders: { Set: { authorization: 'x', 'x-at': '%START_TIME%' } } };
    const { document, unsaid } = routed({ ...http({ PathExact: '/a.B/C' }), Destination });
    expect(unsaid.map(({ path }) => path).sort()).toEqual([
      'router(payments).Routes[0].Destination.RequestHeaders.Set["authorization"]',
      'router(payments).Routes[0].Destination.RequestHeaders.Set["x-at"]',
    ]);
    expect(document?.routes?.[0]).not.toHaveProperty('requestHeaders');
  });
});

describe('balancing and timeouts', () => {
  const balanced = (v1: object, v2: object): ExportedChain =>
    routed(http({ PathExact: '/a.B/C' }), 'v2', {
      v1: { ...resolver('v1'), LoadBalancer: v1 },
      v2: { ...resolver('v2'), LoadBalancer: v2 },
    });
  const header = (name: string): object => ({
    Policy: 'ring_hash',
    HashPolicies: [{ Field: 'header', FieldValue: name }],
  });

  it('are those of the resolvers, where they all say the same', () => {
    expect(balanced({ Policy: 'random' }, { Policy: 'random' }).document?.balancing).toEqual({ algorithm: 'random' });
    expect(balanced(header('X-User'), header('X-User')).document?.balancing).toEqual({
      algorithm: 'ring_hash',
      hashBy: 'x-user',
    });
  });

  it.each<[object, object, object, object]>([
    [{ Policy: 'random' }, { Policy: 'round_robin' }, { algorithm: 'random' }, { algorithm: 'round_robin' }],
    [
      header('x-a'),
      { Policy: 'ring_hash', HashPolicies: [{ Field: 'cookie', FieldValue: 'user' }] },
      { algorithm: 'ring_hash', hashBy: 'x-a' },
      { algorithm: 'ring_hash', hashBy: 'cookie:user' },
    ],
  ])('are those of each subset where they differ: %j, %j', (v1, v2, first, second) => {
    const { document, unsaid } = balanced(v1, v2);
    expect(document?.balancing).toBeUndefined();
    expect(document?.subsets).toMatchObject({ v1: { balancing: first }, v2: { balancing: second } });
    expect(unsaid.map(({ path }) => path)).toEqual(['target(v2).Subset.OnlyPassing']);
    expect(documentPlan(document as PolicyDocument).service).toBe('payments');
  });

  it('are left at their default and reported where a document has no words', () => {
    const { document, unsaid } = balanced(header('x-a'), { ...header('x-a'), HashPolicies: [{ SourceIP: true }] });
    expect(document?.subsets?.['v2']).not.toHaveProperty('balancing');
    expect(unsaid.map(({ path }) => path)).toContain('resolver(v2).LoadBalancer.HashPolicies');
  });

  it('are not those of another service', () => {
    const { unsaid } = routed(http({ PathExact: '/a.B/C' }), 'o', {
      o: { ...resolver('orders'), LoadBalancer: { Policy: 'random' } },
    });
    expect(unsaid.map(({ path }) => path)).toEqual(['resolver(orders).LoadBalancer']);
  });

  it("is the longest of a split, and the limit on connections is the Graylane client's", () => {
    const splits = ['v1', 'v2'].map((NextNode) => ({ NextNode, Weight: 50 }));
    const { document, unsaid } = exported(
      {
        s: { Type: 'splitter', Name: 's', Splits: splits },
        v1: resolver('v1', { RequestTimeout: '1s', ConnectTimeout: '300ms' }),
        v2: resolver('v2', { RequestTimeout: '5000h' }),
      },
      's',
    );
    expect(document?.routes).toMatchObject([{ name: 'split', timeoutMs: 2_147_483_647 }]);
    expect(unsaid.map(({ path }) => path)).toEqual([
      'target(v2).Subset.OnlyPassing',
      'splitter(s).RequestTimeout',
      'resolver(v1).ConnectTimeout',
    ]);
  });
});
