import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../../src/base/instances';
import { emptyPlan } from '../../../../src/policy/compile';
import { membershipOf } from '../../../../src/policy/membership/membership';
import type { InstanceSet } from '../../../../src/policy/membership/snapshot';
import type { Plan, SubsetPlan } from '../../../../src/policy/plan';
import { instanceSet, plan, planOf } from './arbitrary-world';

/** Membership as the policy's words have it, the slow way. */
function belongs(subset: SubsetPlan, instance: Instance, instances: InstanceSet): boolean {
  const state = instances.datacenters.find((each) => each.datacenter === instance.datacenter);
  return (
    subset.tags.every((tag) => instance.tags.includes(tag)) &&
    Object.entries(subset.meta).every(([key, value]) => instance.meta[key] === value) &&
    (subset.filter === undefined || state?.filters.get(subset.filter)?.has(instance.key) === true)
  );
}

const ids = (instances: readonly Instance[]): string[] => instances.map((instance) => instance.key);

describe('membership', () => {
  it('evaluates each subset apart: who is in it, who of them is usable, who is in none and who in several', () => {
    fc.assert(
      fc.property(plan, instanceSet, (policy, instances) => {
        const membership = membershipOf(policy, instances);
        const all = instances.datacenters.flatMap((state) => state.instances);
        const subsets = [...policy.subsets.values()];
        for (const subset of subsets) {
          for (const { datacenter, instances: listed } of instances.datacenters) {
            const members = listed.filter((instance) => belongs(subset, instance, instances));
            const isUsable = (instance: Instance): boolean => instance.status !== 'critical' && instance.weight > 0;
            const group = membership.group(subset.name, datacenter);
            expect(ids(group?.usable ?? [])).toEqual(ids(members.filter(isUsable)));
            expect(ids(group?.unusable ?? [])).toEqual(ids(members.filter((one) => !isUsable(one))));
            expect(group === undefined).toBe(members.length === 0);
          }
        }
        const times = (one: Instance): number => subsets.filter((subset) => belongs(subset, one, instances)).length;
        expect(ids(membership.unassigned)).toEqual(ids(all.filter((one) => times(one) === 0)));
        expect(ids(membership.shared)).toEqual(ids(all.filter((one) => times(one) > 1)));
        expect(membership.datacenters).toEqual(['dc1', 'dc2', 'dc3']);
      }),
    );
  });

  it('is made once for a plan and an instance set', () => {
    fc.assert(
      fc.property(plan, instanceSet, (policy, instances) => {
        expect(membershipOf(policy, instances)).toBe(membershipOf(policy, instances));
        expect(membershipOf(policy, { ...instances })).not.toBe(membershipOf(policy, instances));
      }),
      { numRuns: 20 },
    );
  });

  it('has everybody in the one subset of a service without a policy', () => {
    fc.assert(
      fc.property(instanceSet, (instances) => {
        const membership = membershipOf(emptyPlan('payments'), instances);
        expect(membership.unassigned).toEqual([]);
        expect(membership.groups.flatMap(({ usable, unusable }) => [...usable, ...unusable])).toHaveLength(
          instances.datacenters.flatMap((state) => state.instances).length,
        );
      }),
    );
  });

  it('takes names of prototype members as ordinary text', () => {
    const document = { subsets: JSON.parse('{"constructor": {"meta": {"__proto__": "x"}}}') as Record<string, object> };
    const policy: Plan = planOf(document);
    const [dc1] = fc.sample(instanceSet, { numRuns: 1, seed: 7 });
    const membership = membershipOf(policy, dc1 as InstanceSet);
    expect(membership.groups).toEqual([]);
    expect(membership.group('toString', 'dc1')).toBeUndefined();
  });
});
