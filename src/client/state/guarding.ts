import type { Logger } from '../../base/logger';
import type { SubsetPlan } from '../../policy/plan';
import type { AttemptListeners } from '../balancer/context';
import { Guards, type GuardsOptions } from '../breaker/guard/guards';
import type { GuardChange, GuardView } from '../breaker/guard/subset-guard';

export interface GuardingDeps extends Omit<GuardsOptions, 'onChange'> {
  readonly service: string;
  readonly attemptListeners: AttemptListeners;
  readonly logger: Logger;
}

/** The guards of a service's plan. They hear of attempts only while there are any. */
export class Guarding {
  readonly #deps: GuardingDeps;
  readonly #guards: Guards;
  #stopHearing: (() => void) | undefined;

  constructor(deps: GuardingDeps) {
    this.#deps = deps;
    this.#guards = new Guards({ ...deps, onChange: (change) => this.#tell(change) });
  }

  configure(subsets: ReadonlyMap<string, SubsetPlan>): void {
    this.#guards.configure(subsets);
    if (this.#guards.isEmpty) this.close();
    else this.#stopHearing ??= this.#deps.attemptListeners.add(this.#guards);
  }

  views(): readonly GuardView[] {
    return this.#guards.views();
  }

  close(): void {
    this.#stopHearing?.();
    this.#stopHearing = undefined;
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
