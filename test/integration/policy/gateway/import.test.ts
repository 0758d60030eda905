import { describe, expect, it } from 'vitest';
import { isLong } from '../../../support/slice';
import { mutated } from '../proof/mutate';
import { importRoutes } from './import-routes';

const PARENT = { kind: 'Service', group: '', name: 'payments' };
const route = (
  kind: 'HTTPRoute' | 'GRPCRoute',
  name: string,
  rules: object[],
  more: object = {},
  metadata: object = {},
): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind,
  metadata: { name, namespace: 'shop', ...metadata },
  spec: { parentRefs: [PARENT], rules, ...more },
});
const to = (...names: string[]): object[] => names.map((name) => ({ name, port: 9000 }));
const header = (name: string, value: string, type?: string): object => ({ name, value, type });
const text = (...routes: object[]): string => routes.map((each) => JSON.stringify(each)).join('\n---\n');
const pathsOf = ({ losses }: ReturnType<typeof importRoutes>): readonly string[] => losses.map(({ path }) => path);

const GRPC = route('GRPCRoute', 'a', [
  {
    backendRefs: [
      { name: 'payments', weight: 90 },
      { name: 'payments-v2', weight: 10 },
    ],
  },
  {
    name: 'testers',
    matches: [
      { headers: [header('X-Gray', 'canary'), header('x-gray', 'other')] },
      { method: { service: 'shop.v1.Payments' }, headers: [header('x-user', 'qa-[0-9]+', 'RegularExpression')] },
    ],
    backendRefs: to('payments-v2'),
    timeouts: { request: '1.5s', backendRequest: '400ms' },
  },
  {
    matches: [{ method: { service: 'shop.v1.Payments', method: 'Refund' } }],
    backendRefs: to('payments'),
    retry: { attempts: 2, codes: [503] },
  },
  { matches: [{ method: { service: 'shop.v1.Payments' } }], backendRefs: to('payments-v3') },
  {
    matches: [{ method: { type: 'RegularExpression', service: 'shop\\.v1\\.(Bills|Taxes)', method: 'Get' } }],
    backendRefs: [{ name: 'payments-v3', weight: 0 }, { name: 'payments' }],
  },
]);
const mirroring = (mirror: object, backends: object[] = to('payments')): object => ({
  filters: [{ type: 'RequestMirror', requestMirror: mirror }],
  backendRefs: backends,
});

describe('a filter RequestMirror', () => {
  it.each<[object, object]>([
    [{ backendRef: { name: 'payments-v2', port: 9000 } }, { to: { service: 'payments-v2' } }],
    [
      { backendRef: { name: 'payments-v2' }, percent: 5 },
      { to: { service: 'payments-v2' }, percent: 5 },
    ],
    [
      { backendRef: { name: 'payments-v2' }, fraction: { numerator: 1, denominator: 1000 } },
      { to: { service: 'payments-v2' }, percent: 0.1 },
    ],
  ])('becomes the mirror of the route: %j', (mirror, expected) => {
    const { document, losses } = importRoutes(text(route('GRPCRoute', 'a', [mirroring(mirror)])));
    expect(losses).toEqual([]);
    expect(document.routes?.[0]).toMatchObject({ to: '*', mirror: expected });
  });

  it.each<[object, string]>([
    [mirroring({ backendRef: { name: 'payments' } }), 'filters[0].requestMirror'],
    [mirroring({ backendRef: { name: 'x', kind: 'Bucket' } }), 'filters[0].requestMirror.backendRef'],
    [mirroring({ backendRef: { name: 'x' }, percent: -1 }), 'filters[0].requestMirror'],
    [{ backendRefs: [{ ...mirroring({ backendRef: { name: 'x' } }), name: 'payments' }] }, 'backendRefs[0].filters[0]'],
  ])('is told where a route has none such: %j', (rule, path) => {
    const result = importRoutes(text(route('GRPCRoute', 'a', [rule])));
    expect(pathsOf(result)).toContain(`GRPCRoute/a.spec.rules[0].${path}`);
  });
});

const HTTP = route('HTTPRoute', 'b', [
  { matches: [{ path: { value: '/' } }], backendRefs: to('payments') },
  {
    matches: [{ path: { type: 'PathPrefix', value: '/shop.v1.Payments' }, method: 'POST' }],
    backendRefs: to('payments-v2'),
  },
  { matches: [{ path: { type: 'PathPrefix', value: '/shop.v1.Payments/Charge/' } }], backendRefs: to('payments-v3') },
  {
    matches: [
      { path: { type: 'Exact', value: '/shop.v1.Payments/Charge' }, headers: [header('x', 'a')] },
      { path: { type: 'Exact', value: '/shop.v1.Payments/Charge' } },
    ],
    backendRefs: to('payments-v4'),
  },
  {
    matches: [{ headers: [header('x', 'a'), header('y', 'b')] }, { headers: [header('x', 'a')] }],
    backendRefs: to('payments-v5'),
    timeouts: { request: '0s' },
  },
]);
const RICH_HTTP = route(
  'HTTPRoute',
  'c',
  [
    { matches: [{ queryParams: [header('q', 'a')] }, { method: 'GET' }], backendRefs: to('payments-v2') },
    {
      matches: [{ headers: [header('user-agent', 'grpc')] }, { headers: [header('cookie', 'a')] }],
      backendRefs: to('payments-v2'),
    },
    {
      matches: [{ path: { value: '/a/b/c' } }, { path: { type: 'RegularExpression', value: '/shop.v1.[A-Z]+/.*' } }],
      backendRefs: to('payments-v2'),
    },
    {
      matches: [{ headers: [header('m', '1')] }],
      filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'x' } } }],
      backendRefs: to('payments'),
    },
    {
      matches: [{ headers: [header('h', '1')] }],
      filters: [{ type: 'RequestRedirect' }],
      backendRefs: to('payments'),
    },
    {
      matches: [{ headers: [header('k', '1')] }],
      backendRefs: [
        { kind: 'ServiceImport', name: 'payments' },
        { name: 'payments', namespace: 'bank' },
      ],
    },
    {
      matches: [{ headers: [header('s', '1')] }],
      backendRefs: to('payments'),
      sessionPersistence: {},
      retry: { attempts: 9, codes: [500] },
    },
  ],
  { hostnames: ['payments.example.com'] },
);
const RICH_GRPC = route('GRPCRoute', 'd', [
  {
    matches: [{ method: { method: 'Charge' } }, { method: { type: 'RegularExpression', service: 'shop.*' } }],
    backendRefs: to('payments-v3'),
  },
  { matches: [{ headers: [header('x', '(?=a)', 'RegularExpression')] }], backendRefs: to('payments-v3') },
]);

describe('routes of a Service', () => {
  it('become routes in the order of precedence, and their backends other services', () => {
    const { document, losses, proof } = importRoutes(text(GRPC), {}, { calls: 20_000 });
    expect(losses).toEqual([]);
    expect(proof).toMatchObject({ agreed: 20_000, differences: [] });
    expect(document).toEqual({
      schema: 1,
      service: 'payments',
      routes: [
        {
          name: 'a.rules[4].matches[0]',
          match: { methods: ['/shop.v1.Bills/Get', '/shop.v1.Taxes/Get'] },
          split: [
            { to: { service: 'payments-v3' }, weight: 0 },
            { to: '*', weight: 1 },
          ],
        },
        {
          name: 'a.rules[2].matches[0]',
          match: { methods: ['/shop.v1.Payments/Refund'] },
          to: '*',
          retry: { maxAttempts: 3, retryableStatusCodes: ['UNAVAILABLE'] },
        },
        {
          name: 'testers',
          match: { methods: ['/shop.v1.Payments/'], labels: { 'x-user': { regex: 'qa-[0-9]+' } } },
          to: { service: 'payments-v2' },
          timeoutMs: 1500,
          attemptTimeoutMs: 400,
        },
        { name: 'a.rules[3].matches[0]', match: { methods: ['/shop.v1.Payments/'] }, to: { service: 'payments-v3' } },
        {
          name: 'testers (2)',
          match: { labels: { 'x-gray': 'canary' } },
          to: { service: 'payments-v2' },
          timeoutMs: 1500,
          attemptTimeoutMs: 400,
        },
        {
          name: 'a.rules[0]',
          split: [
            { to: '*', weight: 90 },
            { to: { service: 'payments-v2' }, weight: 10 },
          ],
        },
      ],
    });
  });

  it('of HTTP: exact paths, longer prefixes by whole elements, methods, more headers', () => {
    const { document, losses, proof } = importRoutes(text(HTTP), {}, { calls: 100_000 });
    expect(losses).toEqual([]);
    expect(proof).toMatchObject({ agreed: 100_000, differences: [] });
    expect(document.routes?.map(({ match }) => match)).toEqual([
      { methods: ['/shop.v1.Payments/Charge'], labels: { x: 'a' } },
      { methods: ['/shop.v1.Payments/Charge'] },
      { methods: ['/shop.v1.Payments/Charge'] },
      { methods: ['/shop.v1.Payments/'] },
      { labels: { x: 'a', y: 'b' } },
      { labels: { x: 'a' } },
    ]);
  });

  it('of equal rank: the oldest route, then by name', () => {
    const rules = (name: string): object[] => [{ matches: [{ headers: [header('x', 'a')] }], backendRefs: to(name) }];
    const first = (...routes: object[]): unknown => importRoutes(text(...routes)).document.routes?.[0]?.to;
    const old = route('HTTPRoute', 'z', rules('old'), {}, { creationTimestamp: '2025-01-01T00:00:00Z' });
    const young = route('HTTPRoute', 'a', rules('young'), {}, { creationTimestamp: '2026-01-01T00:00:00Z' });
    expect(first(young, old)).toEqual({ service: 'old' });
    expect(first(route('HTTPRoute', 'b', rules('b')), route('HTTPRoute', 'a', rules('a')))).toEqual({ service: 'a' });
  });

  it('differ only where it was told', () => {
    const results = [RICH_HTTP, RICH_GRPC].map((each) => importRoutes(text(each), {}, { calls: 20_000 }));
    expect(results.flatMap(({ proof }) => proof.differences).filter(({ isTold }) => !isTold)).toEqual([]);
    expect(results.flatMap(pathsOf).map((path) => path.replace(/^\w+\/(\w)\.spec\./, '$1 '))).toEqual(
      expect.arrayContaining([
        'c rules[0].matches[0].queryParams',
        'c rules[0].matches[1].method',
        'c rules[1].matches[0].headers[0].name',
        'c rules[2].matches[0].path.value',
        'c rules[4].filters[0]',
        'c rules[4]',
        'c rules[5].backendRefs[0]',
        'c rules[5].backendRefs[1].namespace',
        'c rules[6].sessionPersistence',
        'c rules[6].retry.attempts',
        'c rules[6].retry.codes',
        'd rules[0].matches[0].method',
        'd rules[1].matches[0].headers[0].value',
      ]),
    );
  });

  it('are of one kind: where a GRPCRoute is of the Service, an HTTPRoute is not followed', () => {
    const both = importRoutes(text(RICH_HTTP, HTTP, GRPC), {}, { calls: 5_000 });
    expect(both.document).toEqual(importRoutes(text(GRPC)).document);
    expect(both.losses).toEqual([]);
    expect(both.notes.slice(0, 2)).toEqual(
      ['c', 'b'].map((name) =>
        expect.stringContaining(`HTTPRoute/${name}: left out, as by the Gateway API: GRPCRoute/a is of payments, too`),
      ),
    );
    expect(both.proof.differences).toEqual([]);
  });

  it('change headers for the whole of a rule', () => {
    const filters = [
      {
        type: 'RequestHeaderModifier',
        requestHeaderModifier: { set: [{ name: 'X-Env', value: 'prod' }], remove: ['x-debug'] },
      },
      { type: 'ResponseHeaderModifier', responseHeaderModifier: { add: [{ name: 'x-served', value: 'v1' }] } },
    ];
    const rules = [{ filters, backendRefs: [{ name: 'payments', filters }] }];
    const result = importRoutes(text(route('GRPCRoute', 'a', rules)));
    expect(result.document.routes).toEqual([
      {
        name: 'a.rules[0]',
        to: '*',
        requestHeaders: { set: { 'x-env': 'prod' }, remove: ['x-debug'] },
        responseHeaders: { add: { 'x-served': 'v1' } },
      },
    ]);
    expect(pathsOf(result)).toEqual(
      [0, 1].map((index) => `GRPCRoute/a.spec.rules[0].backendRefs[0].filters[${index}]`),
    );
  });

  it('are told also when files are changed at random', { timeout: 300_000 }, () => {
    const count = isLong ? 2_000 : 150;
    const corpus = [[GRPC], [HTTP], [RICH_HTTP], [RICH_GRPC], [RICH_HTTP, RICH_GRPC], [HTTP, GRPC]];
    const silent: object[] = [];
    const seen = { documents: 0, agreed: 0, told: 0 };
    for (let seed = 1; seed <= count; seed += 1) {
      const file = mutated(corpus[seed % corpus.length], seed, corpus) as object[];
      let result: ReturnType<typeof importRoutes>;
      try {
        result = importRoutes(text(...file), {}, { calls: 150, seed });
      } catch (error) {
        // No Service is left that routes are attached to.
        expect(String(error)).toMatch(/\(expected: /);
        continue;
      }
      seen.documents += 1;
      seen.agreed += result.proof.agreed;
      seen.told += result.proof.told;
      for (const difference of result.proof.differences) if (!difference.isTold) silent.push({ seed, difference });
    }
    expect(silent.slice(0, 5)).toEqual([]);
    expect(seen.documents).toBeGreaterThan(count * 0.6);
    expect(seen.agreed).toBeGreaterThan(count * 30);
  });
});

describe('whose routes', () => {
  const edge = route('HTTPRoute', 'edge', [{ backendRefs: to('payments') }], {
    parentRefs: [{ name: 'public', namespace: 'infra' }],
  });

  it("a Gateway's are told, and imported when asked for", () => {
    const both = importRoutes(text(edge, GRPC));
    expect(pathsOf(both)).toEqual(['HTTPRoute/edge.spec.parentRefs']);
    expect(() => importRoutes(text(edge))).toThrow(
      'no route of a Service (expected: one, or --gateway with one of infra/public)',
    );
    expect(() => importRoutes(text(edge), { gateway: 'x' })).toThrow('--gateway: x (expected: one of infra/public)');
    const { document, losses } = importRoutes(text(edge), { gateway: 'infra/public' });
    expect({ document, losses }).toEqual({ document: { schema: 1, service: 'payments' }, losses: [] });
    expect(importRoutes(text(edge), { gateway: 'public', service: 'front' }).document).toMatchObject({
      service: 'front',
      routes: [{ to: { service: 'payments' } }],
    });
  });

  it('of two kinds the older one holds for the hosts that both name', () => {
    const at = { parentRefs: [{ name: 'public' }] };
    const made = (kind: 'HTTPRoute' | 'GRPCRoute', year: number, hostnames?: string[]): object =>
      route(
        kind,
        kind.slice(0, 4).toLowerCase(),
        [{ backendRefs: to(kind.toLowerCase()) }],
        { ...at, hostnames },
        {
          creationTimestamp: `${year}-01-01T00:00:00Z`,
        },
      );
    const leftOut = (...routes: object[]): readonly string[] =>
      importRoutes(text(...routes), { gateway: 'public', service: 'front' }).notes.flatMap(
        (note) => /^(.*): left out/.exec(note)?.[1] ?? [],
      );
    expect(leftOut(made('HTTPRoute', 2025), made('GRPCRoute', 2026))).toEqual(['GRPCRoute/grpc']);
    expect(leftOut(made('HTTPRoute', 2026), made('GRPCRoute', 2025, ['a.com']))).toEqual(['HTTPRoute/http']);
    expect(leftOut(made('HTTPRoute', 2026, ['x.a.com']), made('GRPCRoute', 2025, ['*.a.com']))).toHaveLength(1);
    expect(leftOut(made('HTTPRoute', 2026, ['a.com']), made('GRPCRoute', 2025, ['*.a.com']))).toEqual([]);
  });

  it('of several services one must be named', () => {
    const orders = route('GRPCRoute', 'o', [{ backendRefs: to('orders') }], {
      parentRefs: [{ ...PARENT, name: 'orders' }],
    });
    expect(() => importRoutes(text(GRPC, orders))).toThrow('2 services (expected: one of payments.shop, orders.shop)');
    expect(() => importRoutes(text(GRPC, orders), { service: 'x' })).toThrow(
      '--service: x (expected: one of payments.shop',
    );
    expect(importRoutes(text(GRPC, orders), { service: 'orders.shop' }).document.service).toBe('orders');
  });
});

describe('a condition that cannot be read takes no calls of others', () => {
  const conditional = (kind: 'HTTPRoute' | 'GRPCRoute', rule: object): string =>
    text(route(kind, 'a', [{ ...rule, backendRefs: to('payments-v2') }, { backendRefs: to('payments') }]));

  it.each<['HTTPRoute' | 'GRPCRoute', object, string]>([
    ['GRPCRoute', { methods: { service: 'a.B' } }, 'methods'],
    ['GRPCRoute', { method: { grpcService: 'a.B', grpcMethod: 'C' } }, 'method.grpcService'],
    ['GRPCRoute', { method: { service: 'a.B', methd: 'C' } }, 'method.methd'],
    ['GRPCRoute', { headers: [{ name: 'x', value: 'y', typ: 'RegularExpression' }] }, 'headers[0].typ'],
    ['HTTPRoute', { pth: { value: '/a.B' } }, 'pth'],
    ['HTTPRoute', { path: { typ: 'Exact', value: '/a.B/C' } }, 'path.typ'],
    ['HTTPRoute', { path: { vale: '/a.B/C' } }, 'path.vale'],
    ['HTTPRoute', { headers: [{ name: 'x', value: 'y', not: true }] }, 'headers[0].not'],
  ])('a field of %s that is not known: %j', (kind, match, place) => {
    const result = importRoutes(conditional(kind, { matches: [match] }));
    expect(JSON.stringify(result.document)).not.toContain('payments-v2');
    const path = `${kind}/a.spec.rules[0].matches[0].${place}`;
    const found = result.losses.find((loss) => loss.path === path);
    expect(found?.message).toBe(`${path}: not mapped; this match is left out`);
  });

  it.each<['HTTPRoute' | 'GRPCRoute', object, string]>([
    ['GRPCRoute', { matches: { method: { service: 'a.B' } } }, 'matches'],
    ['GRPCRoute', { matches: [{ method: 'a.B' }] }, 'matches[0].method'],
    ['GRPCRoute', { matches: [{ headers: { name: 'x', value: 'y' } }] }, 'matches[0].headers'],
    ['HTTPRoute', { matches: [{ path: '/a.B' }] }, 'matches[0].path'],
    ['HTTPRoute', { matches: [{ queryParams: { name: 'x', value: 'y' } }] }, 'matches[0].queryParams'],
    ['HTTPRoute', { filters: { type: 'URLRewrite' } }, 'filters'],
  ])('another shape than %s knows: its rule is left out: %j', (kind, rule, place) => {
    const result = importRoutes(conditional(kind, rule));
    expect(JSON.stringify(result.document)).not.toContain('payments-v2');
    expect(pathsOf(result)).toContain(`${kind}/a.spec.rules[0].${place}`);
  });
});

it.each<[string, object]>([
  ['no service', { name: 'payments-v2', kind: 'ServiceImport', group: 'multicluster.x-k8s.io', weight: 90 }],
  ['one of this name elsewhere', { name: 'payments', namespace: 'bank', weight: 90 }],
])('what a backend that is left out had goes to the others, which is told: %s', (_, backend) => {
  const backendRefs = [backend, { name: 'payments-v3', weight: 10 }];
  const result = importRoutes(text(route('GRPCRoute', 'a', [{ backendRefs }])));
  expect(result.notes).toContain(
    'GRPCRoute/a.spec.rules[0].backendRefs: 90 of 100 of its calls went to what is left out; the others take them',
  );
});
