import type { Logger } from '../../base/logger';
import type { OtherPolicies } from '../../policy/places/other-services';
import type { Plan } from '../../policy/plan';
import type { PolicySource, PolicyWatch } from './policy-sources/source';
import {
  nextPolicyState,
  orLastKnownGood,
  type PolicyRules,
  type PolicyState,
  pendingPolicy,
  reportPolicyChange,
  UNREAD,
} from './policy-state';

/** How a service gets at the policies of the services that its destinations name. */
export interface OtherServices {
  /** `policies`: undefined where services are used without policies. */
  of(service: string): { readonly policies: PolicySource | undefined; readonly rules: PolicyRules };
  /** The plan with what is known of them. */
  join(plan: Plan, policies: OtherPolicies): Plan;
}

/** What is known of each service's policy. */
export type OtherStates = ReadonlyMap<string, PolicyState>;

interface Held {
  readonly rules: PolicyRules;
  readonly watch: PolicyWatch | undefined;
  state: PolicyState;
}

/**
 * Watches the policies of the services that a plan names, each as a client of that service does: a refused revision and
 * a failed read leave the last good one in force, and only Consul's own word makes a service one without a policy.
 */
export class OtherPolicyWatches {
  readonly #others: OtherServices;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #held = new Map<string, Held>();
  #lastKnownGood: OtherStates;
  #known: OtherPolicies | undefined;
  #joined: { readonly from: Plan; readonly policies: OtherPolicies; readonly plan: Plan } | undefined;

  constructor(others: OtherServices, logger: Logger, lastKnownGood: OtherStates | undefined, onChange: () => void) {
    this.#others = others;
    this.#logger = logger;
    this.#lastKnownGood = lastKnownGood ?? new Map();
    this.#onChange = onChange;
  }

  /**
   * Follows the services that the plan names and no others. The plan joined with their policies; undefined until all
   * are known.
   */
  join(plan: Plan): Plan | undefined {
    this.#want(plan.services ?? []);
    if (plan.services === undefined) return plan;
    this.#known ??= this.#read();
    if (this.#known === undefined) return undefined;
    if (this.#joined?.from !== plan || this.#joined.policies !== this.#known) {
      const joined = this.#others.join(plan, this.#known);
      this.#joined = { from: plan, policies: this.#known, plan: joined };
    }
    return this.#joined.plan;
  }

  get states(): OtherStates {
    return new Map([...this.#held].map(([service, { state }]) => [service, state]));
  }

  /** What an earlier process knew. It serves where nothing better is known and reading fails. */
  restore(states: OtherStates): void {
    this.#lastKnownGood = states;
    for (const [service, held] of this.#held) {
      const { plan, failure } = held.state;
      const known = states.get(service);
      if (known !== undefined && plan === undefined && failure !== undefined) held.state = { ...known, failure };
      held.state = orLastKnownGood(held.state, known?.plan);
    }
    this.#known = undefined;
  }

  /** Why they are not all known: `payments-v2: policy not known (HTTP 403)`. */
  pending(): readonly string[] {
    return [...this.#held].flatMap(([service, { state }]) => pendingPolicy(service, state) ?? []);
  }

  close(): void {
    for (const { watch } of this.#held.values()) watch?.close();
    this.#held.clear();
  }

  #want(services: readonly string[]): void {
    for (const [service, { watch }] of this.#held) {
      if (services.includes(service)) continue;
      watch?.close();
      this.#held.delete(service);
      this.#known = undefined;
    }
    for (const service of services) if (!this.#held.has(service)) this.#follow(service);
  }

  #follow(service: string): void {
    const { policies, rules } = this.#others.of(service);
    this.#known = undefined;
    if (policies === undefined) {
      this.#held.set(service, { rules, watch: undefined, state: { ...UNREAD, plan: rules.withoutPolicy } });
      return;
    }
    const watch = policies.watch(service, (reading) => {
      const held = this.#held.get(service);
      if (held?.watch !== watch) return;
      const former = held.state;
      const isNew = former.plan === undefined && reading.kind !== 'present';
      const known = isNew ? this.#lastKnownGood.get(service) : undefined;
      const next = nextPolicyState(known ?? former, reading, rules);
      held.state = orLastKnownGood(next, this.#lastKnownGood.get(service)?.plan);
      reportPolicyChange(this.#logger, service, former, held.state, rules.isObserving);
      if (held.state.plan === former.plan) return;
      this.#known = undefined;
      this.#onChange();
    });
    this.#held.set(service, { rules, watch, state: UNREAD });
  }

  #read(): OtherPolicies | undefined {
    const plans = new Map<string, Plan>();
    for (const [service, { state }] of this.#held) {
      if (state.plan === undefined) return undefined;
      plans.set(service, state.plan);
    }
    return plans;
  }
}
