import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ImportedIstio } from '../../../../src/ops/istio/import';
import { compilePolicy } from '../../../../src/policy/compile';
import { route } from '../../../unit/policy/routing/fixture';
import { type ImportFlags, importTexts } from './import-texts';

function imported(text: string, labelsAs: 'meta' | 'tags' = 'meta', flags: ImportFlags = {}): ImportedIstio {
  return importTexts([text], { labelsAs, service: 'payments', ...flags });
}

const paths = ({ losses }: ImportedIstio): readonly string[] => losses.map(({ path }) => path);

const CANARY = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: payments, namespace: shop }
spec:
  hosts: [payments]
  http:
    - name: testers
      match:
        - headers: { X-Gray: { exact: canary } }
        - headers: { x-user-id: { regex: 'qa-[0-9]+' } }
          uri: { prefix: /shop.v1.Payments/ }
      route: [ { destination: { host: payments.shop.svc.cluster.local, subset: v2 } } ]
    - name: refunds
      match: [ { uri: { exact: /shop.v1.Payments/Refund }, withoutHeaders: { x-internal: {} } } ]
      route: [ { destination: { host: payments, subset: v1 } } ]
      timeout: 1.5s
      retries: { attempts: 3, perTryTimeout: 400ms, retryOn: 'unavailable,connect-failure,resource-exhausted,retriable-4xx' }
    - route:
        - destination: { host: payments, subset: v1 }
          weight: 95
        - destination: { host: payments, subset: v2 }
          weight: 5
      retries: { attempts: 0 }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: payments, namespace: shop }
spec:
  host: payments.shop.svc.cluster.local
  trafficPolicy:
    loadBalancer: { simple: LEAST_REQUEST, warmupDurationSecs: 30s }
    outlierDetection: { consecutive5xxErrors: 7, interval: 5s, baseEjectionTime: 30s, maxEjectionPercent: 40, minHealthPercent: 50 }
    connectionPool: { http: { http2MaxRequests: 1000 } }
    tls: { mode: ISTIO_MUTUAL }
  subsets:
    - name: v1
      labels: { version: v1 }
    - name: v2
      labels: { version: v2, track: canary }
      trafficPolicy: { outlierDetection: { consecutiveGatewayErrors: 2 }, loadBalancer: { simple: RANDOM } }
`;

describe('a VirtualService and its DestinationRule', () => {
  it('become subsets, routes, retries, timeouts, breakers and balancing', () => {
    expect(imported(CANARY).document).toEqual({
      schema: 1,
      service: 'payments',
      subsets: {
        v1: { meta: { version: 'v1' } },
        v2: {
          meta: { version: 'v2', track: 'canary' },
          balancing: { algorithm: 'random' },
          breaker: { consecutiveFailures: 2 },
        },
      },
      default: 'v1',
      routes: [
        { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'v2' },
        {
          name: 'testers (2)',
          match: { methods: ['/shop.v1.Payments/'], labels: { 'x-user-id': { regex: 'qa-[0-9]+' } } },
          to: 'v2',
        },
        {
          name: 'refunds',
          match: { methods: ['/shop.v1.Payments/Refund'], labels: { 'x-internal': { present: false } } },
          to: 'v1',
          timeoutMs: 1500,
          attemptTimeoutMs: 400,
          retry: { maxAttempts: 4, retryableStatusCodes: ['UNAVAILABLE', 'RESOURCE_EXHAUSTED'] },
        },
        {
          name: 'http[2]',
          split: [
            { to: 'v1', weight: 95 },
            { to: 'v2', weight: 5 },
          ],
          retry: 'off',
        },
      ],
      balancing: { algorithm: 'least_request', slowStartMs: 30_000 },
      breaker: {
        consecutiveFailures: 7,
        rollingCountTimeoutMs: 5_000,
        resetTimeoutMs: 30_000,
        maxEjectionPercentage: 40,
      },
    });
  });

  it('are reported, field by field, where a document has no words', () => {
    expect([...paths(imported(CANARY))].sort()).toEqual(
      [
        'VirtualService/payments.spec.http[1].retries.retryOn',
        'DestinationRule/payments.spec.trafficPolicy.connectionPool',
        'DestinationRule/payments.spec.trafficPolicy.tls',
        'DestinationRule/payments.spec.trafficPolicy.outlierDetection.minHealthPercent',
      ].sort(),
    );
  });

  it('decide as Istio documents it: any entry of a match, all of its conditions, first route', () => {
    const plan = compilePolicy(
      { content: imported(CANARY).document, format: 'object' },
      { service: 'payments', origin: 'inline' },
    );
    const to = (labels: Record<string, string>, method = '/shop.v1.Payments/Charge'): string =>
      route(plan, { labels, method }).destination.subset;
    expect(to({ 'x-gray': 'canary' }, '/other.Service/Method')).toBe('v2');
    expect(to({ 'x-user-id': 'qa-12' })).toBe('v2');
    const refund = route(plan, { method: '/shop.v1.Payments/Refund' });
    expect(refund).toMatchObject({ route: 'refunds', timeoutMs: 1500 });
    expect(route(plan, { method: '/shop.v1.Payments/Refund', labels: { 'x-internal': '1' } }).route).toBe('http[2]');
    expect(route(plan, { method: '/other.Service/Method', labels: { 'x-user-id': 'qa-12' } }).route).toBe('http[2]');
  });

  it('take labels for tags when told to', () => {
    expect(imported(CANARY, 'tags').document.subsets).toMatchObject({
      v1: { tags: ['v1'] },
      v2: { tags: ['v2', 'canary'] },
    });
  });
});

const rules = (http: string): string => `
kind: VirtualService
metadata: { name: p }
spec:
  hosts: [payments.example.com, payments]
  http: ${http}
`;

describe('what cannot be said', () => {
  it.each([
    [
      'a condition that routing cannot see',
      '[{ match: [{ queryParams: { q: { exact: a } } }] }]',
      'match[0].queryParams',
    ],
    ['who calls', '[{ match: [{ sourceLabels: { app: a, version: v1 } }] }]', 'match[0].sourceLabels'],
    ['another method of HTTP', '[{ match: [{ method: { exact: GET } }] }]', 'match[0].method'],
    ['a prefix within a name', '[{ match: [{ uri: { prefix: /a.B/Ch } }] }]', 'match[0].uri.prefix'],
    [
      'an expression that RE2 has not',
      "[{ match: [{ headers: { x: { regex: '(?=a)' } } }] }]",
      'match[0].headers.x.regex',
    ],
    ['credentials', "[{ match: [{ headers: { cookie: { regex: '.*a.*' } } }] }]", 'match[0].headers.cookie'],
  ])('leaves a match out rather than let it take more calls: %s', (_, http, path) => {
    const text = rules(http.replace('}] }]', '}], route: [{ destination: { host: payments } }] }]'));
    const result = imported(text);
    expect(paths(result)).toContain(`VirtualService/p.spec.http[0].${path}`);
    expect(result.document).toEqual({ schema: 1, service: 'payments' });
  });

  it('leaves out routes that lead elsewhere or nowhere, and says so', () => {
    const text = rules(`
    - route: [{ destination: { host: orders.example.com } }]
    - redirect: { uri: / }
    - route: [{ destination: { host: payments, subset: v9 } }]
    - mirror: { host: payments }
      fault: { abort: { httpStatus: 503 } }
      match: [{ uri: { prefix: /shop.v1.Payments } }]
      route: [{ destination: { host: payments, port: { number: 80 } } }]`);
    const result = imported(text);
    const at = 'VirtualService/p.spec.http';
    expect(paths(result)).toEqual([
      `${at}[0].route[0].destination.host`,
      `${at}[0]`,
      `${at}[1].redirect`,
      `${at}[1]`,
      `${at}[2].route[0].destination.subset`,
      `${at}[2]`,
      `${at}[3].route[0].destination.port`,
      `${at}[3].mirror`,
      `${at}[3].fault`,
      `${at}[3].match[0].uri.prefix`,
      'default',
    ]);
    expect(result.document.routes).toEqual([{ name: 'http[3]', match: { methods: ['/shop.v1.Payments/'] }, to: '*' }]);
  });

  it('names every unknown field, and values that make no sense', () => {
    const text = `${rules('[{ timeout: soon, novelty: 1, retries: { attempts: -1 }, route: [{ destination: { host: payments } }] }]')}
---
kind: DestinationRule
metadata: { name: d }
spec:
  host: payments
  workloadSelector: {}
  trafficPolicy:
    loadBalancer: { simple: PASSTHROUGH, localityLbSetting: { enabled: true }, consistentHash: { useSourceIp: true } }
    outlierDetection: { consecutiveErrors: many }
  subsets: [{ name: 'a b', labels: { v: '1' } }]
`;
    const result = imported(text);
    expect(
      paths(result)
        .map((path) => path.replace(/^\w+\/\w\.spec\./, ''))
        .sort(),
    ).toEqual(
      [
        'http[0].novelty',
        'http[0].timeout',
        'http[0].retries.attempts',
        'workloadSelector',
        'trafficPolicy.loadBalancer.simple',
        'trafficPolicy.loadBalancer.localityLbSetting',
        'trafficPolicy.loadBalancer.consistentHash.useSourceIp',
        'trafficPolicy.outlierDetection.consecutiveErrors',
        'subsets[0].name',
      ].sort(),
    );
    expect(result.document).toEqual({ schema: 1, service: 'payments' });
  });

  it('tells where calls go that Istio would answer with 404', () => {
    const text = `${rules('[{ match: [{ uri: { exact: /a.B/C } }], route: [{ destination: { host: payments, subset: v1 } }] }]')}
---
kind: DestinationRule
metadata: { name: d }
spec: { host: payments, subsets: [{ name: v1, labels: { v: '1' } }, { name: v2, labels: { v: '2' } }] }
`;
    const { document, losses } = imported(text);
    expect(document).toMatchObject({ default: 'all', subsets: { all: {} } });
    expect(losses).toMatchObject([
      { message: expect.stringMatching(/^default: every instance, for calls that no route matches/) },
    ]);
  });
});

describe('hash, expressions and lists', () => {
  it('hash by a header, and expressions that list methods', () => {
    const text = `
kind: List
items:
  - kind: VirtualService
    metadata: { name: p }
    spec:
      hosts: [payments]
      http:
        - match: [{ uri: { regex: '/shop\\.v1\\.Payments/(Charge|Refund)' } }]
          route: [{ destination: { host: payments } }]
          timeout: 2s
  - { kind: DestinationRule, metadata: { name: d }, spec: { host: payments, trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: X-User-Id } } } } }
`;
    expect(imported(text)).toMatchObject({
      document: {
        schema: 1,
        service: 'payments',
        routes: [
          {
            name: 'http[0]',
            match: { methods: ['/shop.v1.Payments/Charge', '/shop.v1.Payments/Refund'] },
            to: '*',
            timeoutMs: 2000,
          },
        ],
        balancing: { algorithm: 'ring_hash', hashBy: 'x-user-id' },
      },
      losses: [{ path: 'default' }],
    });
  });

  it('makes a sound document of whatever it can read', () => {
    const scrap = fc.oneof(
      fc.constantFrom<unknown>(
        null,
        0,
        -1,
        3,
        1e12,
        '',
        'payments',
        'v1',
        '1s',
        '9999h',
        'x'.repeat(300),
        true,
        [],
        {},
      ),
      fc.constantFrom<unknown>({ exact: 'a' }, { prefix: '/a.B' }, { regex: '(' }, { __proto__x: 1 }, ['mesh'], [{}]),
    );
    const keys = (...names: string[]): fc.Arbitrary<unknown> =>
      fc.oneof(
        scrap,
        fc.dictionary(fc.constantFrom(...names), scrap),
        fc.array(fc.dictionary(fc.constantFrom(...names), scrap)),
      );
    const destination = fc.record({
      host: fc.constantFrom('payments', 'orders'),
      subset: fc.constantFrom('v1', 'v2', ''),
    });
    const http = fc.record(
      {
        name: fc.constantFrom('a', 'x'.repeat(300)),
        match: keys('uri', 'headers', 'withoutHeaders', 'method', 'gateways', 'port', 'queryParams'),
        route: fc.array(fc.record({ destination, weight: scrap }, { requiredKeys: ['destination'] }), { maxLength: 3 }),
        timeout: scrap,
        retries: keys('attempts', 'retryOn', 'backoff', 'perTryTimeout'),
      },
      { requiredKeys: ['route'] },
    );
    const traffic = fc.record({
      loadBalancer: keys('simple', 'consistentHash', 'warmup', 'warmupDurationSecs'),
      outlierDetection: keys('consecutive5xxErrors', 'interval', 'baseEjectionTime', 'maxEjectionPercent'),
    });
    const subset = fc.record({
      name: fc.constantFrom('v1', 'v2', 'all', ''),
      labels: keys('a', 'b'),
      trafficPolicy: traffic,
    });
    const file = fc.record({
      http: fc.array(http, { maxLength: 4 }),
      subsets: fc.array(subset, { maxLength: 3 }),
      trafficPolicy: traffic,
      labelsAs: fc.constantFrom('meta' as const, 'tags' as const),
    });
    let routed = 0;
    fc.assert(
      fc.property(file, ({ labelsAs, http: routes, ...rule }) => {
        const documents = [
          { kind: 'VirtualService', spec: { hosts: ['payments'], http: routes } },
          { kind: 'DestinationRule', spec: { host: 'payments', ...rule } },
        ];
        const { document } = imported(documents.map((each) => JSON.stringify(each)).join('\n---\n'), labelsAs, {
          tolerant: true,
        });
        routed += document.routes?.length ?? 0;
      }),
      { numRuns: 500 },
    );
    expect(routed).toBeGreaterThan(10);
  });
});
