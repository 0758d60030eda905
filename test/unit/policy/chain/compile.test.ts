import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileChain } from '../../../../src/policy/chain/compile';
import { isDefaultChain } from '../../../../src/policy/chain/decisions';
import { parseDuration } from '../../../../src/policy/chain/graph';
import type { Plan } from '../../../../src/policy/plan';
import { PolicyError } from '../../../../src/policy/policy-error';
import { decide } from '../../../../src/policy/routing/decide';
import { explainRouting } from '../../../../src/policy/routing/explain';
import { environmentOf, inputOf, newOutcome } from '../routing/fixture';

type Nodes = Record<string, object>;

const resolver = (target: string, more: object = {}): object => ({
  Type: 'resolver',
  Name: target,
  Resolver: { Target: target, ConnectTimeout: '5s', ...more },
});
const target = (Service: string, more: object = {}): object => ({ Service, Datacenter: 'dc1', Subset: {}, ...more });
const TARGETS: Nodes = { here: target('payments'), there: target('orders') };

function chainOf(StartNode: string, Nodes: Nodes, Targets: Nodes = TARGETS): object {
  return {
    ServiceName: 'payments',
    Namespace: 'default',
    Datacenter: 'dc1',
    Protocol: 'grpc',
    StartNode,
    Nodes,
    Targets,
  };
}

function compile(content: unknown): Plan {
  return compileChain(content, { service: 'payments', index: '7', sourceAddress: '10.0.0.1' });
}

function recorded(): Record<string, unknown> {
  return JSON.parse(
    readFileSync(
      join(__dirname, '..', '..', '..', 'integration', 'policy', 'chain', 'recorded', 'newer-server.json'),
      'utf8',
    ),
  );
}

const splitter = (...legs: readonly (readonly [string, number])[]): object => ({
  Type: 'splitter',
  Name: 's',
  Splits: legs.map(([NextNode, Weight]) => ({ NextNode, Weight })),
});
const router = (...next: readonly string[]): object => ({
  Type: 'router',
  Name: 'r',
  Routes: next.map((NextNode) => ({ NextNode, Definition: { Match: { HTTP: { PathPrefix: '/' } } } })),
});

describe('a chain that is not sound is refused whole', () => {
  it.each<[string, object, string]>([
    [
      'of another service',
      { ...chainOf('a', { a: resolver('here') }), ServiceName: 'orders' },
      'ServiceName: "orders"',
    ],
    ['without a start', chainOf('b', { a: resolver('here') }), 'StartNode: "b" (expected: a node of the chain)'],
    [
      'with a node that nothing leads to',
      chainOf('a', { a: resolver('here'), b: resolver('there') }),
      'Nodes["b"]: "never reached"',
    ],
    [
      'with a node of an unknown type',
      chainOf('a', { a: { Type: 'mirror' } }),
      'Nodes["a"].Type: "mirror" (expected: router, splitter or resolver)',
    ],
    [
      'that leads back to itself',
      chainOf('a', { a: splitter(['b', 1]), b: splitter(['a', 1]) }),
      'a node that does not lead back to itself',
    ],
    ['with a node that is missing', chainOf('a', { a: splitter(['b', 1]) }), 'splitter(s).Splits[0].NextNode: "b"'],
    ['with a target that is missing', chainOf('a', { a: resolver('nowhere') }), 'resolver(nowhere).Target: "nowhere"'],
    [
      'with a failover target that is missing',
      chainOf('a', { a: resolver('here', { Failover: { Targets: ['x'] } }) }),
      'resolver(here).Failover.Targets[0]: "x"',
    ],
    [
      'with weights of 0',
      chainOf('a', { a: splitter(['b', 0], ['c', 0]), b: resolver('here'), c: resolver('there') }),
      'splitter(s).Splits: "weights that add up to 0"',
    ],
    [
      'with a negative weight',
      chainOf('a', { a: splitter(['b', -1], ['b', 2]), b: resolver('here') }),
      'splitter(s).Splits[0].Weight: -1 (expected: a number >= 0)',
    ],
    [
      'with a router that is not the start',
      chainOf('a', { a: splitter(['b', 1]), b: router('c'), c: resolver('here') }),
      'router(r): "not the start"',
    ],
    [
      'without a route for the rest',
      chainOf('a', {
        a: {
          Type: 'router',
          Name: 'r',
          Routes: [{ NextNode: 'b', Definition: { Match: { HTTP: { PathExact: '/x' } } } }],
        },
        b: resolver('here'),
      }),
      'router(r).Routes: "no route for what matches none"',
    ],
    ['with a route to nowhere', chainOf('a', { a: router('b') }), 'router(r).Routes[0].NextNode: "b"'],
    [
      'that multiplies',
      chainOf(
        'n0',
        Object.fromEntries([
          ...Array.from({ length: 40 }, (_, at) => [`n${at}`, splitter([`n${at + 1}`, 1], [`n${at + 1}`, 1])]),
          ['n40', resolver('here')],
        ]),
      ),
      'at most 1000 splits',
    ],
  ])('%s', (_, content, message) => {
    expect(() => compile(content)).toThrow(PolicyError);
    expect(() => compile(content)).toThrow(message);
  });

  it.each<[unknown]>([
    [undefined],
    [null],
    [[]],
    ['chain'],
    [{}],
    [{ ServiceName: 'payments', Datacenter: 'dc1', StartNode: '__proto__', Nodes: {} }],
  ])('%j', (content) => {
    expect(() => compile(content)).toThrow(PolicyError);
  });
});

describe('a chain of a newer server', () => {
  const plan = compile(recorded());
  const at = (labels: Record<string, string>, seed = 1) => {
    const outcome = newOutcome();
    return { decision: decide(plan, inputOf({ labels }), outcome, environmentOf(seed)), outcome };
  };

  it('names every field that it cannot honour', () => {
    expect(plan.warnings.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        'chain.EnvoyExtensions',
        'router(payments.default.default).Routes[0].Destination.PrefixRewrite',
        'router(payments.default.default).Routes[0].Destination.IdleTimeout',
        'router(payments.default.default).Routes[0].Destination.ResponseHeaders',
        'router(payments.default.default).Routes[0].Destination.RequestHeaders.Set["x-when"]',
        'router(payments.default.default).Routes[0].Destination.RetryOn[2]',
        'router(payments.default.default).Routes[0].Destination.RetryOnStatusCodes[1]',
        'router(payments.default.default).Routes[1].Match.HTTP.Cookie',
        'splitter(payments.default.default).Splits[0].Definition.ResponseHeaders',
        'splitter(payments.default.default).LoadBalancer.HashPolicies[1].CookieConfig',
        'splitter(payments.default.default).LoadBalancer.HashPolicies[2].Field',
        'resolver(v1.payments.default.default.dc1).Failover.Policy.Mode',
        'resolver(v1.payments.default.default.dc1).LoadBalancer.Policy',
        'resolver(billing.default.finance.dc1).LoadBalancer.RingHashConfig',
        'target(v1.payments.default.default.dc2).MeshGateway.Mode',
        'target(billing.default.finance.dc1).External',
        'target(billing.default.finance.dc1).PrioritizeByLocality',
      ]),
    );
    expect(plan.warnings).toHaveLength(17);
    for (const { path, message } of plan.warnings) expect(message.startsWith(`${path}: `)).toBe(true);
  });

  it('matches ignoring case, by expression, and by absence', () => {
    const { decision } = at({ 'x-tier': 'vip' });
    expect(decision).toMatchObject({
      by: 'route',
      route: 'routes[0]',
      destination: { subset: 'v2', tiers: [{ subset: 'v2', datacenter: 'dc1' }] },
      timeoutMs: 1_500,
      retry: { maxAttempts: 3, retryableStatusCodes: ['UNAVAILABLE', 'RESOURCE_EXHAUSTED'] },
      requestHeaders: [{ add: [['x-tag', 'routed']], set: [], remove: ['x-internal'] }],
    });
    expect(at({ 'x-tier': 'vip', 'x-debug': '1' }).decision.route).toBe('default');
    expect(at({ 'x-tier': 'gold' }).decision.route).toBe('default');
  });

  it('leaves out a route whose condition it does not know, and says so when asked', () => {
    const { routes } = explainRouting(plan, inputOf(), environmentOf());
    expect(routes[1]).toMatchObject({
      name: 'routes[1]',
      result: 'missed',
      reason: 'method (expected: never, for want of HTTP)',
    });
  });

  it('looks up other services, datacenters, partitions and peers', () => {
    const legs = plan.routes[2]?.split.entries.map(({ decision, buckets }) => [buckets, decision.destination.tiers]);
    expect(legs).toEqual([
      [
        9_000,
        [
          { subset: 'v1', datacenter: 'dc1' },
          { subset: 'v1', datacenter: 'dc2' },
          { subset: '*', datacenter: 'peer cloud' },
        ],
      ],
      [1_000, [{ subset: 'billing/* (partition finance)', datacenter: 'dc1' }]],
    ]);
    expect(plan.lookups).toHaveLength(4);
    const lookups = plan.lookups?.map(({ key: _, ...rest }) => rest);
    expect(lookups).toEqual(
      expect.arrayContaining([
        { service: 'payments', datacenter: 'dc1', askedDatacenter: 'dc1', scope: {} },
        { service: 'payments', datacenter: 'dc2', askedDatacenter: 'dc2', scope: {} },
        { service: 'billing', datacenter: 'dc1', askedDatacenter: 'dc1', scope: { partition: 'finance' } },
        { service: 'payments', datacenter: 'peer cloud', askedDatacenter: 'dc1', scope: { peer: 'cloud' } },
      ]),
    );
    expect(plan.subsets.get('v2')).toMatchObject({ filter: 'Service.Meta.version == v2', onlyPassing: true });
    expect(plan.connectTimeoutMs).toBe(750);
    expect(plan.routes[2]?.split.entries[0]?.decision.timeoutMs).toBe(2_500);
  });

  it('balances each subset by its own rules', () => {
    expect(plan.subsets.get('v1')?.balancing?.algorithm).toBe('ring_hash');
    expect(plan.subsets.get('v2')?.balancing).toMatchObject({ algorithm: 'least_request', choiceCount: 4 });
    expect(plan.subsets.get('billing/* (partition finance)')?.balancing?.algorithm).toBe('ring_hash');
  });

  it('hashes by a terminal header alone, else by cookie and source together', () => {
    const hash = (labels: Record<string, string>): number => at(labels).outcome.hash;
    expect(hash({ 'x-user-id': 'u1' })).toBe(hash({ 'x-user-id': 'u1', cookie: 'session=b' }));
    expect(hash({ 'x-user-id': 'u1' })).not.toBe(hash({ 'x-user-id': 'u2' }));
    expect(hash({ cookie: 'a=1; session=b' })).toBe(hash({ cookie: 'session="b"; c=2' }));
    expect(hash({ cookie: 'session=b' })).not.toBe(hash({ cookie: 'session=c' }));
    expect(hash({})).toBe(hash({ cookie: 'other=1' }));
    expect(hash({})).toBeGreaterThanOrEqual(0);
  });

  it('has a revision that follows the content, and cannot be changed', () => {
    expect(plan).toMatchObject({ origin: 'chain', index: '7', document: undefined });
    expect(compile(recorded()).revision).toBe(plan.revision);
    expect(compile({ ...recorded(), ServiceMeta: {} }).revision).not.toBe(plan.revision);
    expect(Object.isFrozen(plan.routes[0]?.split.entries[0]?.decision.destination.tiers)).toBe(true);
  });
});

describe('small things of a chain', () => {
  it('warn of retries without a condition, and of more than grpc-js makes', () => {
    const destination = { NumRetries: 9 };
    const plan = compile(
      chainOf('a', {
        a: { ...router('b'), Routes: [{ NextNode: 'b', Definition: { Destination: destination } }] },
        b: resolver('here'),
      }),
    );
    expect(plan.fallthrough.retry).toMatchObject({ maxAttempts: 5, retryableStatusCodes: ['UNAVAILABLE'] });
    expect(plan.warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining('.NumRetries: without a condition'),
      expect.stringContaining('.NumRetries: 9; cut to 4'),
    ]);
  });

  it('refuse to look at values too long for an expression, inverted or not', () => {
    const route = (Invert: boolean): object => ({
      NextNode: 'c',
      Definition: { Match: { HTTP: { Header: [{ Name: 'x-a', Regex: 'a+', Invert }] } } },
    });
    const plan = compile(
      chainOf('a', {
        a: { Type: 'router', Name: 'r', Routes: [route(false), route(true), { NextNode: 'b', Definition: {} }] },
        b: resolver('here'),
        c: resolver('there'),
      }),
    );
    const routeOf = (value: string): string =>
      decide(plan, inputOf({ labels: { 'x-a': value } }), newOutcome(), environmentOf()).route;
    expect([routeOf('aa'), routeOf('b'), routeOf('a'.repeat(1_025))]).toEqual(['routes[0]', 'routes[1]', 'default']);
  });

  it('match nothing by an expression that RE2 does not take', () => {
    const plan = compile(
      chainOf('a', {
        a: {
          Type: 'router',
          Name: 'r',
          Routes: [
            { NextNode: 'c', Definition: { Match: { HTTP: { PathRegex: '(?=x).*' } } } },
            { NextNode: 'c', Definition: { Match: { HTTP: { Header: [{ Name: 'x-a', Regex: '(a' }] } } } },
            { NextNode: 'b', Definition: {} },
          ],
        },
        b: resolver('here'),
        c: resolver('there'),
      }),
    );
    expect(decide(plan, inputOf({ labels: { 'x-a': 'a' } }), newOutcome(), environmentOf()).route).toBe('default');
    expect(plan.warnings.map(({ path }) => path)).toEqual([
      'router(r).Routes[0].Match.HTTP.PathRegex',
      'router(r).Routes[1].Match.HTTP.Header[0].Regex',
    ]);
  });

  it.each<[unknown, number | undefined]>([
    ['5s', 5_000],
    ['1m30s', 90_000],
    ['-1s', -1_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['3µs', 0.003],
    ['0', 0],
    [2_500_000_000, 2_500],
    ['5', undefined],
    ['s', undefined],
    ['5s!', undefined],
    [null, undefined],
    [Number.NaN, undefined],
  ])('read the duration %j', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it('tell the default chain of older and newer servers from any other', () => {
    const plain = chainOf(
      'a',
      { a: resolver('here', { Default: true }) },
      { here: target('payments', { Namespace: 'default' }) },
    );
    expect(isDefaultChain(plain)).toBe(true);
    expect(isDefaultChain({ Default: true })).toBe(true);
    expect(
      isDefaultChain(chainOf('a', { a: resolver('here') }, { here: target('payments', { Namespace: 'default' }) })),
    ).toBe(false);
    const elsewhere = chainOf(
      'a',
      { a: resolver('here', { Default: true }) },
      { here: target('orders', { Namespace: 'default' }) },
    );
    expect(isDefaultChain(elsewhere)).toBe(false);
    expect(isDefaultChain(undefined)).toBe(false);
  });
});
