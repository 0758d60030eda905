import fc from 'fast-check';

/** Few names and values, so that routes and calls meet often. */
const PATHS = [
  '/shop.v1.Payments/Charge',
  '/shop.v1.Payments/Refund',
  '/shop.v1.Orders/List',
  '/SHOP.v1.Payments/charge',
];
const KEYS = ['x-a', 'x-b', 'x-c'];
const VALUES = ['a', 'ab', 'abc', 'B', '10', ''];
const REGEXES = ['a.*', '.*c', 'ab', '[a-c]+', '[0-9]+', '(?:a|b)*'];
const PATH_REGEXES = ['/shop\\.v1\\.Payments/.*', '/shop\\.v1\\.[A-Z][a-z]+/(?:List|Charge)', '.*'];
const SERVICES = ['payments', 'orders'];

export interface Call {
  readonly path: string;
  /** Lower-case keys. */
  readonly headers: Readonly<Record<string, string>>;
}

export const call: fc.Arbitrary<Call> = fc.record({
  path: fc.constantFrom(...PATHS),
  headers: fc.dictionary(fc.constantFrom(...KEYS), fc.constantFrom(...VALUES), { maxKeys: 3 }),
});

/** Most of the time nothing. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 3 });

const text = fc.constantFrom(...VALUES.filter((value) => value !== ''));
const header = fc
  .tuple(
    fc.constantFrom('x-a', 'X-B', 'x-c', 'x-a', 'x-b', ':authority', 'x-data-bin'),
    fc.oneof(
      fc.constant({ Present: true }),
      text.map((Exact) => ({ Exact })),
      text.map((Prefix) => ({ Prefix })),
      text.map((Suffix) => ({ Suffix })),
      text.map((Contains) => ({ Contains })),
      fc.constantFrom(...REGEXES).map((Regex) => ({ Regex })),
    ),
    fc.boolean(),
    rarely(fc.constant(true)),
  )
  .map(([Name, what, Invert, IgnoreCase]) => ({ Name, ...what, Invert, ...(IgnoreCase && { IgnoreCase }) }));

const path = fc.oneof(
  fc.constant({}),
  fc.constantFrom(...PATHS).map((PathExact) => ({ PathExact })),
  fc.constantFrom('/', '/shop', '/shop.v1.Payments/', '/SHOP').map((PathPrefix) => ({ PathPrefix })),
  fc.constantFrom(...PATH_REGEXES).map((PathRegex) => ({ PathRegex })),
);
const http = fc.record(
  {
    path,
    CaseInsensitive: fc.boolean(),
    Header: fc.array(header, { maxLength: 2 }),
    QueryParam: rarely(fc.constant([{ Name: 'q', Exact: 'a' }])),
    Methods: rarely(fc.constantFrom(['GET'], ['GET', 'post'], ['POST'], ['PUT', 'DELETE'])),
  },
  { requiredKeys: ['path', 'Header'] },
);
const match = rarely(http).map((parts) => {
  if (parts === undefined) return {};
  const { path: place, ...rest } = parts;
  return { Match: { HTTP: { ...place, ...rest } } };
});

const modifiers = fc.record(
  {
    Add: fc.dictionary(fc.constantFrom('x-a', 'X-Added'), fc.constantFrom('n', '50%%', '%START_TIME%'), { maxKeys: 2 }),
    Set: fc.dictionary(fc.constantFrom('x-b', 'X-Added', 'grpc-timeout'), fc.constantFrom('m', 'é'), { maxKeys: 2 }),
    Remove: fc.subarray(['X-C', 'x-added', ':path']),
  },
  { requiredKeys: [] },
);
const duration = fc.constantFrom<string | number>('2s', '150ms', '-1s', '1m0.5s', 3_000_000_000, 250_000_000, 0);
const destination = fc.record(
  {
    RequestTimeout: duration,
    NumRetries: fc.integer({ min: 0, max: 8 }),
    RetryOnConnectFailure: fc.boolean(),
    RetryOn: fc.subarray([
      '5xx',
      'reset',
      'cancelled',
      'internal',
      'unavailable',
      'retriable-4xx',
      'deadline-exceeded',
    ]),
    RetryOnStatusCodes: fc.subarray([400, 401, 403, 404, 409, 429, 500, 502, 503, 504]),
    RequestHeaders: modifiers,
    ResponseHeaders: rarely(modifiers),
    PrefixRewrite: rarely(fc.constant('/other')),
  },
  { requiredKeys: [] },
);

const target = fc.record({
  Service: fc.constantFrom(...SERVICES),
  ServiceSubset: fc.constantFrom('', 'v1', 'v2'),
  Datacenter: fc.constantFrom('dc1', 'dc2', 'dc3'),
});
type TargetParts = { Service: string; ServiceSubset: string; Datacenter: string };
const idOf = ({ Service, ServiceSubset, Datacenter }: TargetParts): string =>
  `${ServiceSubset === '' ? '' : `${ServiceSubset}.`}${Service}.default.${Datacenter}`;
const completed = (parts: TargetParts): object => ({
  ID: idOf(parts),
  ...parts,
  Namespace: 'default',
  MeshGateway: {},
  Subset:
    parts.ServiceSubset === ''
      ? {}
      : { Filter: `Service.Meta.version == ${parts.ServiceSubset}`, OnlyPassing: parts.ServiceSubset === 'v2' },
});

/** A resolver is known by its first target, as in Consul: one for each. */
const resolvers = fc.uniqueArray(
  fc.record({ main: target, failover: fc.array(target, { maxLength: 3 }), timeout: rarely(duration) }),
  { minLength: 1, maxLength: 4, selector: ({ main }) => idOf(main) },
);
const weight = fc.constantFrom(0, 0.5, 1, 10, 33.33, 50, 100);
const leg = fc.record({ weight, to: fc.nat(), headers: rarely(modifiers) });
const splits = (minLength: number) =>
  fc.array(leg, { minLength, maxLength: 4 }).filter((legs) => legs.some((each) => each.weight > 0));

/** Sound chains in the shape of Consul's API, fields of newer servers included; unreferenced nodes are left out. */
export const chain: fc.Arbitrary<Record<string, unknown>> = fc
  .record({
    resolvers,
    inner: splits(1),
    outer: splits(2),
    start: fc.constantFrom('router', 'splitter', 'resolver'),
    routes: fc.array(fc.record({ match, destination: rarely(destination), to: fc.nat() }), { maxLength: 4 }),
  })
  .map((parts) => {
    const nodes: Record<string, Record<string, unknown>> = {};
    const targets: Record<string, object> = {};
    const resolverIds = parts.resolvers.map(({ main, failover, timeout }) => {
      for (const each of [main, ...failover]) targets[idOf(each)] = completed(each);
      const others = failover.map(idOf).filter((id) => id !== idOf(main));
      const id = `resolver:${idOf(main)}`;
      nodes[id] = {
        Type: 'resolver',
        Name: idOf(main),
        Resolver: {
          ConnectTimeout: '5s',
          Target: idOf(main),
          ...(timeout === undefined ? {} : { RequestTimeout: timeout }),
          ...(others.length === 0 ? {} : { Failover: { Targets: others } }),
        },
      };
      return id;
    });
    const among = (ids: readonly string[], at: number): string => ids[at % ids.length] as string;
    const splitter = (name: string, legs: typeof parts.inner, ids: readonly string[]): string => {
      nodes[`splitter:${name}`] = {
        Type: 'splitter',
        Name: name,
        Splits: legs.map((each) => ({
          ...(each.weight > 0 && { Weight: each.weight }),
          NextNode: among(ids, each.to),
          ...(each.headers !== undefined && { Definition: { Weight: each.weight, RequestHeaders: each.headers } }),
        })),
      };
      return `splitter:${name}`;
    };
    const inner = splitter('inner', parts.inner, resolverIds);
    const outer = splitter('outer', parts.outer, [inner, ...resolverIds]);
    const all = [outer, inner, ...resolverIds];
    nodes['router:payments'] = {
      Type: 'router',
      Name: 'payments',
      Routes: [
        ...parts.routes.map((route) => ({
          Definition: { ...route.match, ...(route.destination !== undefined && { Destination: route.destination }) },
          NextNode: among(all, route.to),
        })),
        {
          Definition: { Match: { HTTP: { PathPrefix: '/' } }, Destination: { Service: 'payments' } },
          NextNode: all[parts.routes.length % all.length],
        },
      ],
    };
    const start = { router: 'router:payments', splitter: outer, resolver: resolverIds[0] as string }[parts.start];
    return {
      ServiceName: 'payments',
      Namespace: 'default',
      Datacenter: 'dc1',
      Protocol: 'grpc',
      StartNode: start,
      Nodes: reached(nodes, start as string),
      Targets: targets,
    };
  });

function reached(nodes: Record<string, Record<string, unknown>>, start: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const visit = (id: string): void => {
    if (id in found) return;
    found[id] = nodes[id];
    const onward = [...((nodes[id]?.['Routes'] ?? []) as object[]), ...((nodes[id]?.['Splits'] ?? []) as object[])];
    for (const each of onward) visit((each as { NextNode: string }).NextNode);
  };
  visit(start);
  return found;
}
