import { describe, expect, it } from 'vitest';
import type { ImportLoss } from '../../../../src/ops/imports/report';
import type { ImportedIstio } from '../../../../src/ops/istio/import';
import { importTexts } from './import-texts';

// What files of the field hold, each cut down to the part that was once misread.

/** A VirtualService that sends everything to one subset. */
const service = (name: string, more: object, subset = 'v1'): string =>
  JSON.stringify({
    kind: 'VirtualService',
    metadata: { name },
    spec: { hosts: ['payments'], http: [{ route: [{ destination: { host: 'payments', subset } }] }], ...more },
  });
const inNamespace = (namespace: string, text: string): string => {
  const resource = JSON.parse(text);
  return JSON.stringify({ ...resource, metadata: { ...resource.metadata, namespace } });
};
const rule = (name: string, more: object = {}, ...subsets: string[]): string =>
  JSON.stringify({
    kind: 'DestinationRule',
    metadata: { name },
    spec: {
      host: 'payments',
      subsets: (subsets.length === 0 ? ['v1', 'v2'] : subsets).map((each) => ({
        name: each,
        labels: { version: each },
      })),
      ...more,
    },
  });
const yaml = (...texts: string[]): string => texts.join('\n---\n');
const at = ({ losses }: ImportedIstio): readonly string[] => losses.map(({ path }) => path);
const placeOf = ({ file, document, line }: ImportLoss): unknown[] => [file, document, line];

describe('one service is one host', () => {
  const shop = inNamespace('shop', service('a', {}, 'v1'));
  const bank = inNamespace('bank', service('a', {}, 'v2'));

  it('in its namespace: two of a name are two services', () => {
    const files = [yaml(shop, inNamespace('shop', rule('r'))), yaml(bank, inNamespace('bank', rule('r')))];
    expect(() => importTexts(files)).toThrow('2 services (expected: one of payments.shop, payments.bank)');
    expect(() => importTexts(files, { service: 'payments' })).toThrow('one of payments.shop, payments.bank');
    expect(importTexts(files, { service: 'payments.shop' }).document.default).toBe('v1');
    const { document, notes } = importTexts(files, { service: 'payments.bank.svc.cluster.local' });
    expect(document).toMatchObject({ service: 'payments', default: 'v2' });
    expect(notes).toContainEqual(
      expect.stringMatching(
        /^of other hosts, not imported: VirtualService\/shop\/a \(payments\), DestinationRule\/shop\/r/,
      ),
    );
  });

  it('in its cluster: another domain is another service', () => {
    const other = service('b', { hosts: ['payments.shop.svc.clusterset.local'] });
    expect(() => importTexts([yaml(shop, other)])).toThrow(
      'one of payments.shop.svc.cluster.local, payments.shop.svc.clusterset.local',
    );
  });

  it.each([
    ['payments.shop', 'payments.shop.svc', 'shop'],
    ['payments', 'payments.shop.svc.cluster.local', undefined],
    ['payments.shop.svc.cluster.local', 'payments', 'shop'],
  ])('whatever it is called: %s and %s', (one, other, namespace) => {
    const names = [service('a', { hosts: [one] }), rule('r', { host: other })];
    const [first = '', second = ''] = names.map((text) =>
      namespace === undefined ? text : inNamespace(namespace, text),
    );
    const result = importTexts([yaml(first, second)]);
    expect(result.document).toMatchObject({ service: 'payments', default: 'v1' });
  });
});

describe('which rules hold', () => {
  it.each([
    ['*', '*.shop.svc.cluster.local'],
    ['*.cluster.local', '*.shop.svc.cluster.local'],
  ])('those of a wildcard host, the longer one: %s, %s', (wide, narrow) => {
    const text = yaml(
      inNamespace('shop', service('wide', { hosts: [wide] }, 'v2')),
      inNamespace('shop', service('narrow', { hosts: [narrow] })),
      inNamespace('shop', rule('r')),
    );
    const { document, notes, losses } = importTexts([text], { service: 'payments.shop' });
    expect(document.default).toBe('v1');
    expect(losses).toEqual([]);
    expect(notes).toContainEqual(
      expect.stringMatching(/^VirtualService\/wide\.spec\.hosts: another one has a more specific/),
    );
  });

  it('no wildcard where the host itself has rules, also of a DestinationRule', () => {
    const text = yaml(
      service('any', { hosts: ['*'] }, 'v2'),
      service('own', {}),
      rule('r'),
      rule('s', { host: '*.local' }, 'v9'),
    );
    const { document, losses } = importTexts([text]);
    expect(document).toMatchObject({ default: 'v1', subsets: { v1: {}, v2: {} } });
    expect(losses).toEqual([]);
  });

  it('wildcards alone ask whose rules are wanted', () => {
    const text = yaml(service('any', { hosts: ['*'] }));
    expect(() => importTexts([text])).toThrow('wildcard hosts alone (expected: --service with the name of one)');
  });

  it("other hosts' rules are noted, not imported", () => {
    const text = yaml(service('a', {}), rule('r'), service('o', { hosts: ['orders'] }), rule('q', { host: 'orders' }));
    const { document, notes } = importTexts([text], { service: 'payments' });
    expect(document.service).toBe('payments');
    expect(notes).toContain('of other hosts, not imported: VirtualService/o (orders), DestinationRule/q (orders)');
  });

  it("a gateway's alone are not the mesh's", () => {
    const text = yaml(service('edge', { gateways: ['shop/public'] }, 'v2'), rule('r'));
    const result = importTexts([text]);
    expect(at(result)).toEqual(['VirtualService/edge.spec.gateways']);
    expect(result.document).toMatchObject({ default: 'all', subsets: { all: {} } });
    expect(importTexts([text], { gateways: ['shop/public'] }).document.default).toBe('v2');
  });

  it("a gateway's beside the mesh's: those of the mesh hold, entry by entry too", () => {
    const http = [
      {
        match: [{ gateways: ['public'], headers: { x: { exact: 'a' } } }],
        route: [{ destination: { host: 'payments', subset: 'v2' } }],
      },
      { route: [{ destination: { host: 'payments', subset: 'v1' } }] },
    ];
    const { document, losses, notes } = importTexts([
      yaml(service('a', { gateways: ['mesh', 'public'], http }), rule('r')),
    ]);
    expect(losses).toEqual([]);
    expect(document.routes).toBeUndefined();
    expect(notes).toHaveLength(3);
  });

  it('of two VirtualServices of a host the oldest; the other is told', () => {
    const aged = (name: string, creationTimestamp: string, subset: string): string => {
      const resource = JSON.parse(service(name, {}, subset));
      return JSON.stringify({ ...resource, metadata: { name, creationTimestamp } });
    };
    const files = [
      yaml(aged('young', '2026-05-01T00:00:00Z', 'v2')),
      yaml(aged('old', '2025-05-01T00:00:00Z', 'v1'), rule('r')),
    ];
    const result = importTexts(files);
    expect(result.document.default).toBe('v1');
    expect(result.losses).toMatchObject([{ path: 'VirtualService/young.spec.hosts', file: 'a.yaml', document: 1 }]);
    // Without a time, the first that is read.
    expect(importTexts([yaml(service('a', {}, 'v2'), service('b', {}), rule('r'))]).document.default).toBe('v2');
  });

  it('routes of one name are told apart', () => {
    const http = ['a', 'b', 'c'].map((exact) => ({
      name: 'same',
      match: [{ headers: { x: { exact } } }],
      route: [{ destination: { host: 'payments', subset: 'v1' } }],
    }));
    const names = importTexts([yaml(service('a', { http }), rule('r'))]).document.routes?.map(({ name }) => name);
    expect(names).toEqual(['same', 'same (2)', 'same (3)']);
  });
});

describe('destinations of other hosts', () => {
  const to = (...hosts: string[]): string => {
    const route = hosts.map((host) => ({ destination: { host, subset: 'v1' }, weight: 50 }));
    return yaml(inNamespace('shop', service('a', { http: [{ route }] })), inNamespace('shop', rule('r')));
  };
  it('are other services', () => {
    const { document, losses, notes } = importTexts([to('payments', 'orders.bank.svc.cluster.local')]);
    expect(losses).toEqual([]);
    expect(document).toMatchObject({
      default: 'v1',
      routes: [
        {
          split: [
            { to: 'v1', weight: 50 },
            { to: { service: 'orders', subset: 'v1' }, weight: 50 },
          ],
        },
      ],
    });
    expect(notes).toContainEqual(expect.stringMatching(/orders needs a policy with a subset v1; import that too/));
  });

  it.each(['api.example.com', 'payments.bank.svc.cluster.local', '', '*'])(
    'are told where Consul has no such service: %s',
    (host) => {
      const result = importTexts([to('payments', host)]);
      expect(at(result)).toEqual(['VirtualService/a.spec.http[0].route[1].destination.host']);
      expect(result.document).toMatchObject({ default: 'v1' });
    },
  );
});

describe('header changes', () => {
  const route = [
    { destination: { host: 'payments', subset: 'v1' }, headers: { response: { add: { 'x-served': 'v1' } } } },
  ];
  it('are those of the route, and of its only destination', () => {
    const http = [{ headers: { request: { set: { 'X-Env': 'prod' }, remove: ['x-debug'] } }, route }];
    const { document, losses } = importTexts([yaml(service('a', { http }), rule('r'))]);
    expect(losses).toEqual([]);
    expect(document.routes).toEqual([
      {
        name: 'http[0]',
        to: 'v1',
        requestHeaders: { set: { 'x-env': 'prod' }, remove: ['x-debug'] },
        responseHeaders: { add: { 'x-served': 'v1' } },
      },
    ]);
  });

  it('that a document cannot make are told, each', () => {
    const set = { authorization: 'Bearer x', ':path': '/', 'x-at': '%START_TIME%', 'x-n': 1, 'x-bin': 'a' };
    const http = [
      {
        headers: { request: { set, add: { 'x-a': 'é' } } },
        route: [...route, ...route].map((each) => ({ ...each, weight: 50 })),
      },
    ];
    const result = importTexts([yaml(service('a', { http }), rule('r'))]);
    expect(at(result).map((path) => path.replace('VirtualService/a.spec.http[0].', ''))).toEqual(
      expect.arrayContaining([
        ...Object.keys(set).map((name) => `headers.request.set.${name}`),
        'headers.request.add.x-a',
        'route[0].headers',
        'route[1].headers',
      ]),
    );
    expect(result.document.routes).toBeUndefined();
  });

  it('beyond what a document holds are told, each', () => {
    const names = (kind: string): string[] => Array.from({ length: 23 }, (_, index) => `x-${kind}-${index}`);
    const valued = (kind: string): object => Object.fromEntries(names(kind).map((name) => [name, 'a']));
    const changes = { set: valued('set'), add: valued('add'), remove: names('remove') };
    const http = [
      {
        headers: { request: changes, response: changes },
        route: [{ destination: { host: 'payments', subset: 'v1' } }],
      },
    ];
    const result = importTexts([yaml(service('a', { http }), rule('r'))]);
    const said = result.document.routes?.[0];
    for (const direction of ['request', 'response'] as const) {
      const { set = {}, add = {}, remove = [] } = said?.[`${direction}Headers`] ?? {};
      expect([Object.keys(set), Object.keys(add), remove].map(({ length }) => length)).toEqual([20, 20, 20]);
      const told = at(result).flatMap((path) => path.split(`.headers.${direction}.`)[1] ?? []);
      const rest = [20, 21, 22];
      expect(told).toEqual([
        ...rest.map((index) => `set.x-set-${index}`),
        ...rest.map((index) => `add.x-add-${index}`),
        ...rest.map((index) => `remove[${index}]`),
      ]);
    }
  });

  it('of a header with a name that objects have, too', () => {
    const set = JSON.parse('{"__proto__": "a", "constructor": "b"}');
    const text = yaml(service('a', { http: [{ headers: { request: { set } }, route }] }), rule('r'));
    const said = importTexts([text]).document.routes?.[0]?.requestHeaders?.set ?? {};
    expect(Object.entries(said)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
  });
});

describe('a match by port', () => {
  const http = [
    { match: [{ port: 9000 }], route: [{ destination: { host: 'payments', subset: 'v2' } }] },
    { route: [{ destination: { host: 'payments', subset: 'v1' } }] },
  ];
  const text = yaml(service('a', { http }), rule('r'));
  it('alone takes no call where the port is not known', () => {
    const result = importTexts([text]);
    expect(result.document.routes).toBeUndefined();
    expect(at(result)).toEqual(['VirtualService/a.spec.http[0].match[0].port']);
  });
  it('takes those that go to it, and no others', () => {
    expect(importTexts([text], { port: 9000 }).document).toMatchObject({ default: 'v2' });
    expect(importTexts([text], { port: 9001 })).toMatchObject({ document: { default: 'v1' }, losses: [] });
  });
});

describe('DestinationRules', () => {
  it('alone lead to every instance, and no subset is the default', () => {
    const { document, losses } = importTexts([rule('r', {}, 'canary', 'stable')]);
    expect(document).toMatchObject({ default: 'all', subsets: { canary: {}, stable: {}, all: {} } });
    expect(losses).toEqual([]);
    expect(importTexts([rule('r', {}, 'all')]).document.default).toBe('all-instances');
  });

  it('of one host are joined as Istio joins them, and not mixed', () => {
    const first = { trafficPolicy: { loadBalancer: { simple: 'RANDOM' } } };
    const second = {
      trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' }, outlierDetection: { consecutive5xxErrors: 3 } },
    };
    const result = importTexts([yaml(rule('r', first, 'v1'), rule('s', second, 'v1', 'v2'))]);
    expect(result.document.balancing).toEqual({ algorithm: 'random' });
    expect(result.document.breaker).toBeUndefined();
    expect(Object.keys(result.document.subsets ?? {})).toEqual(['v1', 'v2', 'all']);
    expect(at(result)).toEqual(['DestinationRule/s.spec.trafficPolicy', 'DestinationRule/s.spec.subsets[0].name']);
  });

  it('of other namespaces are for callers there', () => {
    const files = [
      inNamespace('shop', rule('r', {}, 'v1')),
      inNamespace('bank', rule('s', { host: 'payments.shop.svc' }, 'v2')),
    ];
    const result = importTexts(files);
    expect(at(result)).toEqual(['DestinationRule/s.spec.host']);
    expect(Object.keys(result.document.subsets ?? {})).toEqual(['v1', 'all']);
  });

  it('labels that YAML reads as numbers are told as they are written', () => {
    const text = `
kind: DestinationRule
metadata: { name: r }
spec:
  host: payments
  subsets:
    - name: v1
      labels: { version: 1.0, beta: yes, live: true }
    - name: v2
      labels: { at: [] }
`;
    const result = importTexts([text]);
    expect(result.document.subsets).toMatchObject({ v1: { meta: { version: '1.0', beta: 'yes', live: 'true' } } });
    expect(result.losses.map(({ message, line }) => [line, message])).toEqual([
      [8, 'DestinationRule/r.spec.subsets[0].labels.version: 1.0 (expected: a text, "1.0" in quotes); taken for it'],
      [8, 'DestinationRule/r.spec.subsets[0].labels.live: true (expected: a text, "true" in quotes); taken for it'],
      [10, 'DestinationRule/r.spec.subsets[1].labels.at: [] (expected: a text)'],
      [9, 'DestinationRule/r.spec.subsets[1]: left out, and with it the destinations that lead to it'],
    ]);
  });
});

describe('each loss', () => {
  it('is told, also where another one has the same path', () => {
    const http = [
      {
        retries: { attempts: 2, retryOn: 'retriable-4xx,retriable-headers' },
        route: [{ destination: { host: 'payments' } }],
      },
    ];
    const { losses } = importTexts([service('a', { http })]);
    expect(losses.map(({ message }) => message)).toEqual([
      'VirtualService/a.spec.http[0].retries.retryOn: retriable-4xx is not a condition of gRPC; not retried',
      'VirtualService/a.spec.http[0].retries.retryOn: retriable-headers is not a condition of gRPC; not retried',
    ]);
  });

  it('is told once for each place: file, document and path', () => {
    const more = { http: [{ rewrite: { uri: '/' }, route: [{ destination: { host: 'payments' } }] }] };
    const texts = [yaml(rule('r'), service('a', more)), service('a', more)];
    const { losses } = importTexts(texts);
    expect(losses.map(placeOf)).toEqual([
      ['b.yaml', 1, 1],
      ['a.yaml', 2, 3],
    ]);
  });

  it('has the line of its field', () => {
    const text = `# rules
---
kind: VirtualService
metadata:
  name: a
spec:
  hosts: [payments]
  http:
    - corsPolicy: {}
      route:
        - destination:
            host: payments
            port: { number: 9000 }
`;
    const { losses } = importTexts([text]);
    expect(losses.map(({ path, line, column }) => [path.split('http[0].')[1], line, column])).toEqual([
      ['corsPolicy', 9, 7],
      ['route[0].destination.port', 13, 13],
    ]);
  });
});

describe('delegates', () => {
  const root = (match: object[], more: object = {}): string =>
    service('root', {
      http: [
        { name: 'outer', match, timeout: '3s', delegate: { name: 'inner', namespace: 'team' }, ...more },
        { route: [{ destination: { host: 'payments', subset: 'v1' } }] },
      ],
    });
  const inner = (http: object[]): string =>
    JSON.stringify({ kind: 'VirtualService', metadata: { name: 'inner', namespace: 'team' }, spec: { http } });
  const to = (subset: string): object[] => [{ destination: { host: 'payments.shop.svc.cluster.local', subset } }];
  const files = (match: object[], http: object[]): string[] => [
    yaml(inNamespace('shop', root(match)), inNamespace('shop', rule('r'))),
    inner(http),
  ];
  const prefix = { uri: { prefix: '/shop.v1.Payments/' } };

  it('take the place of the rule that names them, with the conditions of both', () => {
    const { document, losses } = importTexts(
      files(
        [prefix],
        [
          {
            name: 'charge',
            match: [{ uri: { exact: '/shop.v1.Payments/Charge' }, headers: { x: { exact: 'a' } } }],
            route: to('v2'),
          },
          { route: to('v1'), timeout: '1s' },
        ],
      ),
    );
    expect(losses).toEqual([]);
    expect(document.routes).toEqual([
      {
        name: 'outer-charge',
        match: { methods: ['/shop.v1.Payments/Charge'], labels: { x: 'a' } },
        to: 'v2',
        timeoutMs: 3000,
      },
      { name: 'outer', match: { methods: ['/shop.v1.Payments/'] }, to: 'v1', timeoutMs: 1000 },
    ]);
  });

  it.each<[string, object]>([
    ['a path outside', { uri: { exact: '/shop.v1.Orders/List' } }],
    ['an expression', { uri: { regex: '/shop.v1.Payments/.*' } }],
  ])('that contradict it are left out, as in Istio: %s', (_, match) => {
    const { document, notes, losses } = importTexts(files([prefix], [{ match: [match], route: to('v2') }]));
    expect(document.routes).toBeUndefined();
    expect(losses).toEqual([]);
    expect(notes).toContainEqual(expect.stringMatching(/contradict each other; left out, as in Istio$/));
  });

  it('that are in none of the files are told', () => {
    const [only = ''] = files([prefix], []);
    const result = importTexts([only]);
    expect(at(result)).toEqual(['VirtualService/root.spec.http[0].delegate']);
    expect(result.document).toMatchObject({ default: 'v1' });
  });
});

describe('files', () => {
  it('may be several, and their documents and lists many', () => {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [JSON.parse(rule('r'))] });
    const lines = `${service('o', { hosts: ['orders'] })}\n${service('a', {})}`;
    const { document } = importTexts([list, lines], { service: 'payments' });
    expect(document).toMatchObject({ service: 'payments', default: 'v1', subsets: { v1: {}, v2: {} } });
  });

  it('may hold merge keys and anchors', () => {
    const text = `
kind: VirtualService
metadata: { name: a }
spec:
  hosts: [payments]
  http:
    - &base
      timeout: 2s
      match: [ { headers: { x: { exact: a } } } ]
      route: [ { destination: { host: payments, subset: v2 } } ]
    - <<: *base
      match: [ { headers: { x: { exact: b } } } ]
    - route: [ { destination: { host: payments, subset: v1 } } ]
---
${rule('r')}`;
    const { document, losses } = importTexts([text]);
    expect(losses).toEqual([]);
    expect(document.routes).toMatchObject([
      { match: { labels: { x: 'a' } }, to: 'v2', timeoutMs: 2000 },
      { match: { labels: { x: 'b' } }, to: 'v2', timeoutMs: 2000 },
    ]);
  });

  it('may hold thousands of rules, and one anchor in all of them', () => {
    const items = Array.from({ length: 5_000 }, (_, index) =>
      JSON.parse(service(`o${index}`, { hosts: [`orders-${index}`] })),
    );
    const list = JSON.stringify({
      kind: 'List',
      items: [...items, JSON.parse(service('a', {})), JSON.parse(rule('r'))],
    });
    expect(list.length).toBeGreaterThan(700_000);
    expect(importTexts([list], { service: 'payments' }).document.default).toBe('v1');
    const routes = Array.from(
      { length: 300 },
      (_, index) => `    - { match: [ { headers: { x: { exact: v${index} } } } ], route: *to }`,
    );
    const text = `kind: VirtualService
metadata: { name: a }
spec:
  hosts: [payments]
  http:
    - { match: [ { headers: { y: {} } } ], route: &to [ { destination: { host: payments, subset: v2 } } ] }
${routes.join('\n')}
---
${rule('r')}`;
    expect(importTexts([text]).document.routes).toHaveLength(301);
  });

  it('with more rules than a document holds are cut, and told', () => {
    const http = Array.from({ length: 1_200 }, (_, index) => ({
      match: [{ headers: { x: { exact: `v${index}` } } }],
      route: [{ destination: { host: 'payments', subset: 'v1' } }],
    }));
    const result = importTexts([yaml(service('a', { http }), rule('r'))]);
    expect(result.document.routes).toHaveLength(1_000);
    expect(at(result)).toEqual(['routes', 'default']);
  });

  it.each([
    [
      'a Helm template',
      'spec:\n  hosts: [{{ .Values.host }}]\n',
      /^document 2: a template: "hosts: \[\{\{ \.Values\.host \}\}\]"/,
    ],
    ['a quoted one', 'spec: { hosts: ["{{ .Values.host }}"] }\n', /^document 2: a template/],
    ['a block of one', '{{- if .Values.mesh }}\nspec: {}\n{{- end }}\n', /^document 2: a template/],
    ['a variable of a shell', `spec:\n  hosts:\n    - ${'$'}{HOST}\n`, /^document 2: a template: "- \$\{HOST\}"/],
    ['a broken text', 'a: [\n', /^document 2: .*a \[ or { is not closed \(expected: YAML or JSON\); left out$/],
    ['a key given twice', 'kind: a\nkind: b\n', /^document 2: duplicated mapping key/],
  ])('of which one document is %s still give the others', (_, broken, message) => {
    const result = importTexts([yaml(service('a', {}), broken, rule('r'))], { tolerant: true });
    expect(result.document.default).toBe('v1');
    expect(result.losses).toMatchObject([{ file: 'a.yaml', document: 2, message: expect.stringMatching(message) }]);
    expect(result.losses[0]?.line).toBeGreaterThanOrEqual(2);
  });

  it('with words in comments and expressions are no templates', () => {
    const http = [
      {
        match: [{ headers: { x: { regex: '^a{2}$' } } }],
        route: [{ destination: { host: 'payments', subset: 'v1' } }],
      },
    ];
    const text = yaml(`# rendered from {{ .Values }}\n${service('a', { http })}`, rule('r'));
    expect(importTexts([text]).document.routes).toHaveLength(1);
  });
});

describe('headers that no call shows', () => {
  it.each([
    'user-agent',
    'Host',
    'content-type',
    'te',
    ':authority',
    'cookie',
    'authorization',
    'grpc-timeout',
    'x-bin',
    'x y',
  ])('take no part in a match: %s', (name) => {
    const http = [
      {
        match: [{ headers: { [name]: { exact: 'a' } } }],
        route: [{ destination: { host: 'payments', subset: 'v2' } }],
      },
      { route: [{ destination: { host: 'payments', subset: 'v1' } }] },
    ];
    const result = importTexts([yaml(service('a', { http }), rule('r'))]);
    expect(result.document).toMatchObject({ default: 'v1' });
    expect(result.document.routes).toBeUndefined();
    expect(at(result)).toEqual([`VirtualService/a.spec.http[0].match[0].headers.${name}`]);
  });

  it('that Istio does not look at are not looked at', () => {
    const http = [
      {
        match: [{ headers: { method: { exact: 'GET' } } }],
        route: [{ destination: { host: 'payments', subset: 'v2' } }],
      },
    ];
    const { document, notes, losses } = importTexts([yaml(service('a', { http }), rule('r'))]);
    expect(document.default).toBe('v2');
    expect(losses).toEqual([]);
    expect(notes).toContainEqual(expect.stringMatching(/headers\.method: not looked at, as in Istio/));
  });
});

describe('a condition that cannot be read takes no calls of others', () => {
  const conditional = (match: object): string =>
    service('a', {
      http: [
        { match: [match], route: [{ destination: { host: 'payments', subset: 'v2' } }] },
        { route: [{ destination: { host: 'payments', subset: 'v1' } }] },
      ],
    });

  it.each<[string, object, string]>([
    ['a field that is not known', { url: { prefix: '/a.B/' } }, 'url'],
    ['beside one that is', { header: { x: { exact: 'y' } }, uri: { prefix: '/a.B/' } }, 'header'],
    ['two kinds for a path', { uri: { exact: '/a.B/C', prefix: '/a.B/' } }, 'uri'],
    ['two kinds for a header', { headers: { x: { exact: 'y', regex: 'y.*' } } }, 'headers.x'],
    ['a kind with a flag beside it', { headers: { x: { exact: 'y', ignoreCase: true } } }, 'headers.x'],
    [
      'two kinds for what a call must not have',
      { withoutHeaders: { x: { exact: 'y', prefix: '' } } },
      'withoutHeaders.x',
    ],
    ['two kinds for the method', { method: { exact: 'POST', regex: 'GET' } }, 'method'],
  ])('%s', (_, match, place) => {
    const result = importTexts([yaml(conditional(match), rule('r'))]);
    expect(result.document).toMatchObject({ default: 'v1' });
    expect(result.document.routes ?? []).toEqual([]);
    expect(at(result)).toContain(`VirtualService/a.spec.http[0].match[0].${place}`);
  });

  it.each<[string, object]>([
    ['match', { match: { headers: { x: { exact: 'y' } } } }],
    ['match[0].headers', { match: [{ headers: [{ x: { exact: 'y' } }] }] }],
    ['match[0].headers.x', { match: [{ headers: { x: 'y' } }] }],
    ['match[0].withoutHeaders', { match: [{ withoutHeaders: ['x'] }] }],
    ['match[0].uri', { match: [{ uri: '/a.B/' }] }],
    ['match[0].gateways', { match: [{ gateways: 'edge' }] }],
    ['match[0].sourceLabels', { match: [{ sourceLabels: ['orders'] }] }],
    ['match[0]', { match: ['/a.B/'] }],
    ['retries', { retries: [{ attempts: 2 }] }],
    ['fault', { fault: ['abort'] }],
    ['headers.request.remove', { headers: { request: { remove: 'x' } } }],
  ])('another shape than Istio knows: its rule is left out: %s', (place, more) => {
    const leads = (subset: string): object => ({ route: [{ destination: { host: 'payments', subset } }] });
    const result = importTexts([yaml(service('a', { http: [{ ...more, ...leads('v2') }, leads('v1')] }), rule('r'))]);
    expect(result.document).toMatchObject({ default: 'v1' });
    expect(result.document.routes ?? []).toEqual([]);
    const path = `VirtualService/a.spec.http[0].${place}`;
    const found = result.losses.find((loss) => loss.path === path);
    expect(found?.message).toMatch(/\(expected: an? (list|object)\), which Kubernetes refuses; left out$/);
  });

  it('the same of a DestinationRule', () => {
    const result = importTexts([yaml(rule('a', { trafficPolicy: ['ROUND_ROBIN'] }), service('c', {}))]);
    expect(at(result)).toEqual(['DestinationRule/a.spec.trafficPolicy']);
    expect(result.document).toMatchObject({ default: 'v1', subsets: { v1: {}, v2: {} } });
    const odd = rule('b', {
      subsets: [
        { name: 'v1', labels: { version: 'v1' } },
        { name: 'v2', labels: ['v2'] },
      ],
    });
    const left = importTexts([yaml(odd, service('c', {}))]);
    expect(Object.keys(left.document.subsets ?? {})).toEqual(['v1']);
    expect(at(left)).toContain('DestinationRule/b.spec.subsets[1].labels');
  });
});

it('what a destination that is left out had goes to the others, which is told', () => {
  const split = (...parts: [string, number][]): string =>
    service('a', {
      http: [{ route: parts.map(([subset, weight]) => ({ destination: { host: 'payments', subset }, weight })) }],
    });
  const result = importTexts([yaml(split(['v1', 10], ['v9', 90]), rule('r'))]);
  expect(result.notes).toContain(
    'VirtualService/a.spec.http[0].route: 90 of 100 of its calls went to what is left out; the others take them',
  );
  const none = importTexts([yaml(split(['v1', 10], ['v9', 0]), rule('r'))]);
  expect(none.notes.join()).not.toContain('the others take them');
});
