import fc from 'fast-check';
import type {
  DestinationDocument,
  FaultDocument,
  GuardDocument,
  HeaderChangesDocument,
  LabelMatcherDocument,
  LaneDocument,
  MatchDocument,
  NamedFaultDocument,
  PolicyDocument,
  RouteDocument,
  RouteTargetDocument,
  SubsetBalancingDocument,
  SubsetDocument,
} from '../../../src/policy/document';

/** Few keys, values and methods, so that routes and calls meet often. */
export const KEYS = ['x-a', 'x-b', 'x-c'] as const;
export const VALUES = ['', 'a', 'ab', 'abc', 'B', '5', '10', '10.1.2.3', '__proto__'] as const;
export const METHODS = ['/s.A/One', '/s.A/Two', '/s.B/One'] as const;
const SUBSETS = ['stable', 'canary', 'next', 'beta', 'edge'] as const;

const value = fc.constantFrom(...VALUES);
const key = fc.constantFrom(...KEYS);

const conditions = (inner: fc.Arbitrary<LabelMatcherDocument>): fc.Arbitrary<LabelMatcherDocument> =>
  fc
    .record(
      {
        exact: value,
        prefix: value,
        suffix: value,
        contains: value,
        in: fc.array(value, { minLength: 1, maxLength: 3 }),
        notIn: fc.array(value, { minLength: 1, maxLength: 3 }),
        regex: fc.constantFrom('a.*', '.*c', 'ab', '[a-c]+', '\\d+', '(?:a|b)*'),
        range: fc.constantFrom<readonly [number, number]>([0, 6], [5, 11], [-3, 5]),
        version: fc.constantFrom('>=5 <10', '~10.1', '<5 || 12.x'),
        cidr: fc.constantFrom<string | readonly string[]>('10.0.0.0/8', ['192.168.0.0/16', '10.1.2.3']),
        present: fc.boolean(),
        not: inner,
        ignoreCase: fc.boolean(),
      },
      { requiredKeys: [] },
    )
    .filter((matcher) => Object.keys(matcher).some((name) => name !== 'ignoreCase'));

const matcher: fc.Arbitrary<LabelMatcherDocument> = fc.oneof(
  { weight: 2, arbitrary: value },
  // One condition at a time mostly, since many together rarely hold.
  { weight: 4, arbitrary: conditions(value).map((all) => (typeof all === 'string' ? all : firstCondition(all))) },
  { weight: 1, arbitrary: conditions(conditions(value)) },
);

function firstCondition(all: Exclude<LabelMatcherDocument, string>): LabelMatcherDocument {
  const [name, condition] = Object.entries(all).find(([name]) => name !== 'ignoreCase') ?? ['present', true];
  return { [name]: condition, ignoreCase: all.ignoreCase ?? false };
}

const labels = fc.dictionary(key, matcher, { minKeys: 1, maxKeys: 2 });

const match: fc.Arbitrary<MatchDocument> = fc.record(
  {
    methods: fc.array(fc.constantFrom(...METHODS, '/s.A/', '/'), { minLength: 1, maxLength: 2 }),
    labels,
    any: fc.array(fc.record({ labels }), { minLength: 1, maxLength: 2 }),
    sample: fc.record({ by: key, percent: fc.constantFrom(0, 0.01, 33.33, 50, 100) }),
    from: fc.subarray(['orders', 'checkout'], { minLength: 1 }),
  },
  { requiredKeys: [] },
);

/** Own subsets mostly, now and then by an object, in another place, or of another service. */
const destination: fc.Arbitrary<DestinationDocument> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...SUBSETS) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<DestinationDocument>(
      { subset: 'stable', datacenter: 'dc2' },
      { service: 'payments', subset: 'canary', peer: 'cloud' },
      { datacenter: 'dc3' },
      { service: 'payments-v2' },
      { service: 'payments-v2', subset: 'canary' },
      { service: 'payments-v2', subset: 'canary', datacenter: 'dc2' },
    ),
  },
);

const weights = fc
  .uniqueArray(fc.tuple(destination, fc.oneof(fc.nat(100), fc.double({ min: 0, max: 1e9, noNaN: true }))), {
    selector: ([to]) => JSON.stringify(to),
    minLength: 1,
    maxLength: 5,
  })
  .filter((entries) => entries.some(([, weight]) => weight > 0))
  .map((entries) => entries.map(([to, weight]) => ({ to, weight })));

const target: fc.Arbitrary<RouteTargetDocument> = fc.oneof(
  destination.map((to) => ({ to })),
  weights.map((split) => ({ split })),
);

const headerValues = fc.dictionary(fc.constantFrom('x-lane', 'X-Via', 'x-a'), value, { minKeys: 1, maxKeys: 3 });

/** Each key once. */
const headerChanges: fc.Arbitrary<HeaderChangesDocument> = fc.oneof(
  headerValues.map((set) => ({ set })),
  headerValues.map((add) => ({ add })),
  fc.constant({ set: { 'x-lane': 'blue' }, add: { 'x-via': 'graylane' }, remove: ['X-Debug'] }),
);

const fault = fc.oneof(
  fc.record({ abort: fc.constantFrom('UNAVAILABLE', 'ABORTED'), percent: fc.constantFrom(0.01, 10, 100) }),
  fc.record({ delayMs: fc.integer({ min: 1, max: 600_000 }), percent: fc.constantFrom(0.01, 10, 100) }),
);
/** After, and before, the time at which the tests decide. */
const until = fc.constantFrom('2100-01-01T00:00:00Z', '2026-01-01T00:00:00Z');

/** Of a route. */
const routeFault: fc.Arbitrary<FaultDocument> = fc.tuple(fault, until).map(([what, end]) => ({ ...what, until: end }));

/** Of the policy. */
const namedFaults: fc.Arbitrary<readonly NamedFaultDocument[]> = fc
  .array(fc.tuple(routeFault, fc.record({ match, in: fc.constantFrom(...SUBSETS) }, { requiredKeys: [] })), {
    maxLength: 4,
  })
  .map((all) => all.map(([what, rest], index) => ({ name: `fault-${index}`, ...what, ...rest })));

const route = fc
  .tuple(
    target,
    fc.record(
      {
        match,
        stickBy: key,
        stickySalt: value.filter((salt) => salt !== ''),
        strict: fc.boolean(),
        failover: fc.constantFrom(['dc2'], [{ peer: 'cloud' }, 'dc3'], []),
        timeoutMs: fc.integer({ min: 1, max: 9_999 }),
        requestHeaders: headerChanges,
        responseHeaders: headerChanges,
        fault: routeFault,
        mirror: fc.record(
          {
            to: fc.constantFrom(...SUBSETS),
            percent: fc.constantFrom(0, 0.01, 33.33, 100),
            maxInFlight: fc.integer({ min: 1, max: 10_000 }),
            timeoutMs: fc.integer({ min: 1, max: 9_999 }),
            compare: fc.constantFrom(true, false, {}, { ignore: ['updated_at', 'items.*.id'] }),
          },
          { requiredKeys: ['to'] },
        ),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([where, { mirror, ...rest }]) => {
    const reached = where.split === undefined ? [where.to] : where.split.map(({ to }) => to);
    // To another subset than the route leads to anyway.
    const isSound = mirror !== undefined && reached.some((to) => typeof to === 'string' && to !== mirror.to);
    return (name: string): RouteDocument => ({ name, ...where, ...rest, ...(isSound && { mirror }) });
  });

const guard: fc.Arbitrary<GuardDocument> = fc.record(
  {
    against: fc.constantFrom(...SUBSETS),
    minimumCalls: fc.integer({ min: 1, max: 1_000 }),
    maxExcessFailurePercentage: fc.double({ min: 0, max: 100, noNaN: true }),
    maxLatencyFactor: fc.double({ min: 1, max: 1_000, minExcluded: true, noNaN: true }),
    windowMs: fc.integer({ min: 1_000, max: 3_600_000 }),
    holdMs: fc.integer({ min: 1_000, max: 50_000 }),
    maxHoldMs: fc.integer({ min: 50_000, max: 86_400_000 }),
    dryRun: fc.boolean(),
  },
  { requiredKeys: [] },
);

/** A subset with a fallback may have a guard, against any other. */
function fallenBack(name: string, fallback: string, guarded: GuardDocument | undefined): SubsetDocument {
  if (guarded === undefined || guarded.against === name) return { tags: [name], fallback };
  return { tags: [name], fallback, guard: guarded };
}

/** Not strict: whoever makes calls by these policies expects answers. */
const lanes: fc.Arbitrary<LaneDocument> = fc.record(
  {
    by: key,
    meta: fc.constantFrom('lane', 'env'),
    fallback: fc.constantFrom(...SUBSETS),
    ends: fc.dictionary(fc.constantFrom('a', 'B'), fc.constantFrom('2020-01-01T00:00:00Z', '2199-01-01T00:00:00Z')),
  },
  { requiredKeys: ['by'] },
);

const balancing: fc.Arbitrary<SubsetBalancingDocument> = fc.oneof(
  fc.record({ algorithm: fc.constantFrom('peak_ewma', 'least_request', 'round_robin', 'random') }),
  fc.record({ algorithm: fc.constant('ring_hash' as const), hashBy: key }),
);

/** Policies that must be accepted. */
export const soundPolicy: fc.Arbitrary<PolicyDocument> = fc
  .tuple(
    fc.constantFrom(...SUBSETS),
    fc.array(route, { maxLength: 6 }),
    // Each subset may only fall back to an earlier one, so that there are no cycles.
    fc.tuple(...SUBSETS.map((_, index) => fc.option(fc.nat(index), { nil: undefined }))),
    fc.option(guard, { nil: undefined }),
    fc.option(lanes, { nil: undefined, freq: 2 }),
    fc.array(balancing, { maxLength: SUBSETS.length }),
    namedFaults,
  )
  .map(([fallthrough, routes, fallbacks, guarded, lane, balanced, faults]) => ({
    schema: 1,
    service: 'payments',
    subsets: Object.fromEntries(
      SUBSETS.map((name, index) => {
        const fallback = SUBSETS[fallbacks[index] ?? index];
        const isAlone = fallback === undefined || fallback === name;
        const subset = isAlone ? { tags: [name] } : fallenBack(name, fallback, guarded);
        const own = balanced[index];
        return [name, own === undefined ? subset : { ...subset, balancing: own }];
      }),
    ),
    default: fallthrough,
    routes: routes.map((routeNamed, index) => routeNamed(`route ${index}`)),
    ...(lane !== undefined && { lanes: lane }),
    faults,
  }));
