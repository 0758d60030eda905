import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { graylane, graylaneJson } from './built-command';

const ROUTER = `Kind = "service-router"
Name = "payments"
Routes = [
  {
    Match { HTTP { Header = [{ Name = "x-gray", Exact = "canary" }] } }
    Destination { ServiceSubset = "v2" }
  },
]
`;
const RESOLVER = `apiVersion: consul.hashicorp.com/v1alpha1
kind: ServiceResolver
metadata: { name: payments }
spec:
  defaultSubset: v1
  subsets:
    v1: { filter: Service.Meta.version == v1 }
    v2: { filter: Service.Meta.version == v2 }
`;
const SPLITTER = JSON.stringify({
  Kind: 'service-splitter',
  Name: 'payments',
  Splits: [
    { Weight: 90, ServiceSubset: 'v1' },
    { Weight: 10, ServiceSubset: 'v2' },
  ],
});
const GRPC_ROUTE = `kind: GRPCRoute
metadata: { name: payments }
spec:
  parentRefs: [{ kind: Service, name: payments }]
  rules:
    - matches: [{ method: { service: shop.v1.Payments } }]
      backendRefs: [{ name: payments-v2 }]
    - backendRefs: [{ name: payments }]
`;
const ISTIO = `kind: VirtualService
metadata: { name: payments }
spec:
  hosts: [payments]
  http:
    - match: [{ headers: { x-gray: { exact: canary } } }]
      route: [{ destination: { host: payments, subset: v2 } }]
    - route: [{ destination: { host: payments, subset: v1 } }]
---
kind: DestinationRule
metadata: { name: payments }
spec:
  host: payments
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
`;

let folder: string;
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
};
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'graylane-imports-'));
  file('entries/router.hcl', ROUTER);
  file('entries/resolver.yaml', RESOLVER);
  file('entries/splitter.json', SPLITTER);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('graylane policy lint-entries', () => {
  it('ends with 0 for entries in HCL, JSON and custom resources that are honoured', async () => {
    expect(await graylane(['policy', 'lint-entries', join(folder, 'entries')])).toEqual({
      code: 0,
      stdout: 'ok payments: every field is honoured\n',
      stderr: '',
    });
  });

  it('tells what Consul refuses and what is not honoured, with its place, and ends with 1', async () => {
    const bad = file(
      'bad.hcl',
      'Kind = "service-router"\nName = "payments"\nRoutes = [{\n  Match { HTTP { PathPrefix = "x" } }\n  Destination { PrefixRewrite = "/" }\n}]\n',
    );
    const resolver = join(folder, 'entries', 'resolver.yaml');
    const { code, stdout } = await graylane(['policy', 'lint-entries', bad, resolver]);
    expect(code).toBe(1);
    expect(stdout.split('\n')).toEqual([
      `refused ${bad}:4:18 service-router/payments.Routes[0].Match.HTTP.PathPrefix: "x" (expected: a path that begins with /)`,
      `not honoured ${bad}:5:17 service-router/payments.Routes[0].Destination.PrefixRewrite: the path of a gRPC call is its method, and stays`,
      '',
    ]);
  });

  it('says what to do with more HCL than it reads', async () => {
    const { code, stderr } = await graylane([
      'policy',
      'lint-entries',
      file('f.hcl', 'Kind = "service-router"\nName = var.x'),
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/f\.hcl:2:8 document 1: "var\.x" .*consul config read gives an entry as JSON/);
    expect(await graylane(['policy', 'lint-entries', file('none.json', '{}')])).toMatchObject({ code: 2 });
  });
});

describe('graylane policy import-entries', () => {
  it('prints the document that decides alike', async () => {
    const { code, stdout, stderr } = await graylane(['policy', 'import-entries', join(folder, 'entries')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(parse(stdout)).toEqual({
      schema: 1,
      service: 'payments',
      subsets: { v2: { filter: 'Service.Meta.version == v2' }, v1: { filter: 'Service.Meta.version == v1' } },
      default: 'v1',
      routes: [
        { name: 'routes[0]', match: { labels: { 'x-gray': 'canary' } }, to: 'v2' },
        {
          name: 'default',
          split: [
            { to: 'v1', weight: 90 },
            { to: 'v2', weight: 10 },
          ],
        },
      ],
      locality: { failover: [] },
    });
  });

  it('ends with 1 and writes nothing where Consul refuses the entries', async () => {
    const { code, stdout, stderr } = await graylane([
      'policy',
      'import-entries',
      join(folder, 'entries', 'router.hcl'),
    ]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('payments has no subset v2 in its service-resolver; Consul refuses it');
  });
});

describe('graylane policy import-gateway', () => {
  it('prints the routes in their order of precedence, with backends as services', async () => {
    const { code, stdout } = await graylane(['policy', 'import-gateway', file('grpc.yaml', GRPC_ROUTE)]);
    expect(code).toBe(0);
    expect(parse(stdout)).toEqual({
      schema: 1,
      service: 'payments',
      routes: [
        {
          name: 'payments.rules[0].matches[0]',
          match: { methods: ['/shop.v1.Payments/'] },
          to: { service: 'payments-v2' },
        },
      ],
    });
  });

  it('ends with 2 where nobody can tell whose routes are meant', async () => {
    const gateway = file('edge.yaml', GRPC_ROUTE.replace('kind: Service, ', ''));
    const { code, stderr } = await graylane(['policy', 'import-gateway', gateway]);
    expect(code).toBe(2);
    expect(stderr).toContain('no route of a Service (expected: one, or --gateway with one of payments)');
  });
});

describe('graylane simulate --against rules of another system', () => {
  it.each<[string, string, string]>([
    ['import-istio', 'istio.yaml', ISTIO],
    ['import-gateway', 'grpc.yaml', GRPC_ROUTE],
    ['import-entries', 'entries', ''],
  ])('proves an import: %s', async (command, name, text) => {
    const source = text === '' ? join(folder, name) : file(name, text);
    const out = join(folder, `${command}.yaml`);
    expect(await graylane(['policy', command, source, '-o', out])).toMatchObject({ code: 0 });
    const { code, stdout } = await graylane(['simulate', out, '--against', source]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^payments {2}100,000 calls, made up around the conditions of /);
    expect(stdout).toMatch(/\n100,000 agree\n0 differ where an import tells it\n0 differ otherwise\n$/);
  });

  it('shows what differs and was not told, and ends with 1', async () => {
    const policy = file(
      'edited.yaml',
      'schema: 1\nservice: payments\nsubsets: { v1: { tags: [v1] }, v2: { tags: [v2] } }\ndefault: v1\n',
    );
    const source = file('istio.yaml', ISTIO);
    const { code, json } = await graylaneJson<{ untold: number; differences: readonly object[] }>([
      'simulate',
      policy,
      '--against',
      source,
      '--calls',
      '2000',
    ]);
    expect(code).toBe(1);
    expect(json.untold).toBeGreaterThan(100);
    expect(json.differences).toMatchObject([
      {
        what: 'where',
        isTold: false,
        rule: 'VirtualService/payments.spec.http[0]',
        route: 'default',
        expected: 'v2 100 %',
        found: 'v1 100 %',
      },
    ]);
    const other = file('orders.yaml', 'schema: 1\nservice: orders\n');
    expect(await graylane(['simulate', other, '--against', source])).toMatchObject({ code: 2 });
  });
});
