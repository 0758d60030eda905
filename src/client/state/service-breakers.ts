import type { Logger } from '../../base/logger';
import { membershipOf } from '../../policy/membership/membership';
import type { InstanceSet } from '../../policy/membership/snapshot';
import type { BreakerPlan, Plan, SubsetPlan } from '../../policy/plan';
import type { AttemptListener } from '../balancer/context';
import type { EndpointRegistry } from '../balancer/endpoints/endpoint-registry';
import { Guards, type GuardsOptions } from '../breaker/guard/guards';
import type { GuardChange, GuardView } from '../breaker/guard/subset-guard';

interface GuardingDeps extends Omit<GuardsOptions, 'onChange'> {
  readonly service: string;
  readonly attemptListeners: Set<AttemptListener>;
  readonly logger: Logger;
}

/** The guards of a service's plan. They hear of attempts only while there are any. */
export class Guarding {
  readonly #deps: GuardingDeps;
  readonly #guards: Guards;

  constructor(deps: GuardingDeps) {
    this.#deps = deps;
    this.#guards = new Guards({ ...deps, onChange: (change) => this.#tell(change) });
  }

  configure(subsets: ReadonlyMap<string, SubsetPlan>): void {
    this.#guards.configure(subsets);
    if (this.#guards.isEmpty) this.close();
    else this.#deps.attemptListeners.add(this.#guards);
  }

  views(): readonly GuardView[] {
    return this.#guards.views();
  }

  close(): void {
    this.#deps.attemptListeners.delete(this.#guards);
    this.#guards.close();
  }

  #tell({ subset, event, isDryRun, because, heldForMs }: GuardChange): void {
    const { logger, service } = this.#deps;
    const fields = { service, subset, because, heldForMs: Math.round(heldForMs) };
    if (event === 'restored') logger.info('the guard restores a subset', fields);
    else if (isDryRun) logger.warn('the guard would shed a subset (dryRun)', fields);
    else logger.warn('the guard sheds a subset', fields);
  }
}

/**
 * Looks up the breaker numbers of an endpoint: those of the first subset that it is in. The table is made at the first
 * question, as few endpoints have breakers.
 */
export function endpointRules(
  plan: Plan,
  instances: InstanceSet,
  endpoints: EndpointRegistry,
): (key: string) => BreakerPlan | undefined {
  let rules: Map<string, BreakerPlan> | undefined;
  return (key) => {
    rules ??= tableOf(plan, instances, endpoints);
    return rules.get(key);
  };
}

function tableOf(plan: Plan, instances: InstanceSet, endpoints: EndpointRegistry): Map<string, BreakerPlan> {
  const rules = new Map<string, BreakerPlan>();
  for (const { subset, usable } of membershipOf(plan, instances).groups) {
    const breaker = plan.subsets.get(subset)?.breaker;
    if (breaker === undefined) continue;
    for (const instance of usable) {
      const key = endpoints.of(instance)?.key;
      if (key !== undefined && !rules.has(key)) rules.set(key, breaker);
    }
  }
  return rules;
}
