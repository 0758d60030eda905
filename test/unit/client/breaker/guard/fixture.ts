import type { Random } from '../../../../../src/base/random';
import { Guards } from '../../../../../src/client/breaker/guard/guards';
import type { GuardChange, GuardView } from '../../../../../src/client/breaker/guard/subset-guard';
import { BreakerRegistry } from '../../../../../src/client/breaker/registry';
import { FakeClock } from '../../../../../src/client/testing/fake-clock';
import { DEFAULT_BREAKER, DEFAULT_SUBSET_BREAKER, resolveGuard } from '../../../../../src/policy/defaults';
import type { GuardDocument } from '../../../../../src/policy/document';
import type { SubsetPlan } from '../../../../../src/policy/plan';
import { noJitter } from '../fixture';

/** One subset of two, with a guard where one is given. */
export function subset(name: string, guard?: GuardDocument, changes: Partial<SubsetPlan> = {}): SubsetPlan {
  const fallback = guard === undefined ? undefined : 'stable';
  return {
    name,
    tags: [name],
    meta: {},
    filter: undefined,
    fallback,
    fallbackMaxPercentage: 100,
    breaker: DEFAULT_BREAKER,
    subsetBreaker: DEFAULT_SUBSET_BREAKER,
    ...(guard === undefined ? {} : { guard: resolveGuard(guard, 'stable') }),
    ...changes,
  };
}

export function plans(...subsets: readonly SubsetPlan[]): ReadonlyMap<string, SubsetPlan> {
  return new Map(subsets.map((each) => [each.name, each]));
}

export interface GuardRig {
  readonly clock: FakeClock;
  readonly guards: Guards;
  readonly registry: BreakerRegistry;
  readonly changes: GuardChange[];
  /** So many attempts at a subset. */
  attempts(
    name: string,
    outcome: 'success' | 'failure' | 'silent' | 'neutral',
    times?: number,
    latencyMs?: number,
  ): void;
  view(): GuardView;
  isShed(datacenter?: string): boolean;
  states(): Record<string, string>;
}

/** A canary with a guard against stable, whose breakers exist in two datacenters. */
export function guardRig(guard: GuardDocument = {}, random: Random = noJitter): GuardRig {
  const clock = new FakeClock();
  const registry = new BreakerRegistry({ clock, random });
  const changes: GuardChange[] = [];
  const guards = new Guards({
    clock,
    random,
    breakers: registry,
    attemptNow: () => clock.now(),
    onChange: (change) => changes.push(change),
  });
  const canary = subset('canary', guard);
  guards.configure(plans(subset('stable'), canary));
  registry.forSubset(canary, 'dc1');
  registry.forSubset(canary, 'dc2');
  return {
    clock,
    guards,
    registry,
    changes,
    attempts: (name, outcome, times = 1, latencyMs = 10) => {
      for (let time = 0; time < times; time += 1) guards.attemptEnded(name, name, outcome, latencyMs);
    },
    view: () => guards.views()[0] as GuardView,
    isShed: (datacenter = 'dc1') => registry.isShed('canary', datacenter, clock.now()),
    states: () => Object.fromEntries(registry.views().map(({ key, state }) => [key, state])),
  };
}
