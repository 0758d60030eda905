import fc from 'fast-check';
import type { DatacenterState, Instance } from '../../../../src/base/instances';
import { compilePolicy } from '../../../../src/policy/compile';
import type { PolicyDocument } from '../../../../src/policy/document';
import type { InstanceSet } from '../../../../src/policy/membership/snapshot';
import type { Plan } from '../../../../src/policy/plan';

/** Small worlds, so that subsets overlap, stay empty and share instances often. */
export const DATACENTERS = ['dc1', 'dc2', 'dc3'];
const TAGS = ['stable', 'canary', 'blue'];
const FILTER = 'Service.Meta.zone == "a"';

export function planOf(document: Omit<PolicyDocument, 'schema' | 'service'>): Plan {
  const content = { schema: 1, service: 'payments', ...document };
  return compilePolicy({ content, format: 'object' }, { service: 'payments', origin: 'inline' });
}

const subset = fc.record(
  {
    tags: fc.subarray(TAGS),
    meta: fc.constantFrom({}, { version: 'v1' }, { version: 'v2' }),
    filter: fc.constant(FILTER),
  },
  { requiredKeys: ['tags', 'meta'] },
);

export const plan: fc.Arbitrary<Plan> = fc
  .record({
    first: subset,
    second: subset,
    third: subset,
    fallbacks: fc.constantFrom<Record<string, string>>(
      {},
      { second: 'first' },
      { second: 'first', third: 'second' },
      { first: 'third' },
    ),
    prefer: fc.constantFrom('subset' as const, 'datacenter' as const),
    failover: fc.option(fc.shuffledSubarray(DATACENTERS), { nil: undefined }),
  })
  .map(({ first, second, third, fallbacks, prefer, failover }) =>
    planOf({
      subsets: Object.fromEntries(
        Object.entries({ first, second, third }).map(([name, one]) => {
          const fallback = fallbacks[name];
          return [name, fallback === undefined ? one : { ...one, fallback }];
        }),
      ),
      default: 'first',
      locality: failover === undefined ? { prefer } : { prefer, failover },
    }),
  );

const instance = (datacenter: string): fc.Arbitrary<Omit<Instance, 'key' | 'id' | 'port'>> =>
  fc.record({
    node: fc.constant('n1'),
    datacenter: fc.constant(datacenter),
    zone: fc.constant(undefined),
    address: fc.constant('10.0.0.1'),
    tags: fc.subarray(TAGS),
    meta: fc.constantFrom<Record<string, string>>({}, { version: 'v1' }, { version: 'v2' }),
    status: fc.constantFrom('passing' as const, 'warning' as const, 'critical' as const),
    weight: fc.constantFrom(0, 1, 5),
  });

const datacenterState = (datacenter: string, index: number): fc.Arbitrary<DatacenterState> =>
  fc
    .tuple(fc.array(instance(datacenter), { maxLength: 6 }), fc.func(fc.boolean()), fc.boolean())
    .map(([list, matches, isAnswered]) => {
      const instances = list.map((one, at) => ({
        ...one,
        id: `i${at}`,
        key: `${datacenter}/n1/i${at}`,
        port: 9_000 + at,
      }));
      const members = new Set(instances.filter((one) => matches(one.key)).map((one) => one.key));
      return {
        datacenter,
        local: index === 0,
        known: true,
        instances,
        rejected: 0,
        connectOnly: false,
        filters: isAnswered ? new Map([[FILTER, members]]) : new Map(),
        freshness: { kind: 'fresh' },
      };
    });

export const instanceSet: fc.Arbitrary<InstanceSet> = fc
  .tuple(...DATACENTERS.map(datacenterState))
  .map((datacenters) => ({ version: 1, datacenters }));
