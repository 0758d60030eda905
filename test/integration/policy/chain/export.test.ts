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

const DATACENTERS = ['dc1', 'dc2', 'dc3'];
const CALLS = 30;

const chainPlan = (content: unknown): Plan => compileChain(content, { service: 'payments', sourceAddress: '10.0.0.1' });
const documentPlan = (document: PolicyDocument): Plan =>
  compilePolicy({ content: document, format: 'object' }, { service: 'payments', origin: 'inline' });

/** What a caller could notice of a decision, in the names that a document has for the chain's subsets. */
function effectOf(decision: Decision): object {
  const { plan, destination, timeoutMs, retry } = decision;
  const tiers = tierOrder(plan, destination, { datacenters: DATACENTERS, reach: DATACENTERS });
  const isRetried = retry !== undefined && retry !== 'off' && retry.retryableStatusCodes.length > 0;
  return {
    tiers: tiers.map(({ subset, datacenter }) => [plan.subsets.get(subset)?.filter ?? 'all', datacenter]),
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
  ])('is reported by its path, and its route left out: %s', (_, definition, field) => {
    const { document, unsaid } = routed(definition);
    expect(unsaid.map(({ path }) => path)).toEqual([
      `router(payments).Routes[0].${field}`,
      'router(payments).Routes[0]',
    ]);
    expect(document?.routes).toBeUndefined();
  });

  it('is what happens to metadata, and who serves only while passing', () => {
    const definition = { ...http({ PathExact: '/a.B/C' }), Destination: { RequestHeaders: { Set: { 'x-a': '1' } } } };
    const { document, unsaid } = routed(definition, 'v2', { v2: resolver('v2') });
    expect(unsaid.map(({ path }) => path)).toEqual([
      'target(v2).Subset.OnlyPassing',
      'router(payments).Routes[0].Destination.RequestHeaders',
    ]);
    expect(document?.routes).toEqual([{ name: 'routes[0]', match: { methods: ['/a.B/C'] }, to: 'v2' }]);
  });

  it('is another service, as a target or as who stands in', () => {
    const { document, unsaid } = routed(http({ PathExact: '/a.B/C' }), 'o', {
      o: resolver('orders'),
      v1: resolver('v1', { Failover: { Targets: ['v1-dc2', 'orders'] } }),
    });
    expect(unsaid.map(({ message }) => message)).toEqual([
      'resolver(orders).Target: orders/* in dc1; a document leads to instances of its own service',
      'resolver(v1).Failover: orders/* in dc1 is left out; a document has instances of its own service',
      'router(payments).Routes[0]: left out; its calls go on to the routes that follow',
    ]);
    expect(document).toEqual({
      schema: 1,
      service: 'payments',
      subsets: { v1: { filter: 'Service.Meta.version == v1' } },
      default: 'v1',
      locality: { failover: ['dc2'] },
    });
    expect(exported({ o: resolver('orders') }, 'o').document).toBeUndefined();
  });

  it('is a failover order of its own for each resolver', () => {
    const { unsaid, notes } = routed(http({ PathExact: '/a.B/C' }), 'v2', {
      v2: resolver('v2'),
      v1: resolver('v1', { Failover: { Targets: ['v1-dc2'] } }),
    });
    expect(unsaid.map(({ message }) => message)).toContain(
      'resolver(v2).Failover: v2 in dc1 in the chain, v2 in dc1, v2 in dc2 in the document',
    );
    expect(notes[0]).toBe('the Graylane client needs datacenters: [dc1, dc2], the local one first');
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

  it.each<[string, object, object]>([
    ['', { Policy: 'random' }, { Policy: 'round_robin' }],
    ['.HashPolicies', header('x-a'), header('x-b')],
    ['.HashPolicies', header('x-a'), { ...header('x-a'), HashPolicies: [{ SourceIP: true }] }],
  ])('are left at their default and reported where they differ: LoadBalancer%s', (field, v1, v2) => {
    const { document, unsaid } = balanced(v1, v2);
    expect(document?.balancing).toBeUndefined();
    expect(unsaid.map(({ path }) => path)).toContain(`resolver(v2).LoadBalancer${field}`);
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
