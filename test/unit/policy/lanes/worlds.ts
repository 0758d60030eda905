import type { Instance } from '../../../../src/base/instances';
import type { InstanceSet } from '../../../../src/policy/membership/snapshot';

/** Instances by what matters, in dc1 and dc2; the rest is made up. */
export function instanceSetOf(listed: readonly Partial<Instance>[]): InstanceSet {
  const instances = listed.map((one, at): Instance => {
    const { datacenter = 'dc1', id = `i${at}` } = one;
    return {
      ...{ id, key: `${datacenter}/n/${id}`, node: 'n', datacenter, zone: undefined, address: '10.0.0.1' },
      ...{ port: 9_000 + at, tags: [], meta: {}, status: 'passing', weight: 1 },
      ...one,
    };
  });
  return {
    version: 1,
    datacenters: ['dc1', 'dc2'].map((datacenter, at) => ({
      datacenter,
      ...{ local: at === 0, known: true, rejected: 0, connectOnly: false, filters: new Map() },
      instances: listed.every((one) => 'key' in one)
        ? (listed as readonly Instance[]).filter((one) => one.datacenter === datacenter)
        : instances.filter((one) => one.datacenter === datacenter),
      freshness: { kind: 'fresh' as const },
    })),
  };
}
