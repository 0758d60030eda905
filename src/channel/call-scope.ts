import { AsyncLocalStorage } from 'node:async_hooks';
import type { ForceSelector } from '../policy/plan';
import type { CallReport } from './call-report';

/** What `lane.with(scope, fn)` says of the calls made in `fn`. */
export interface CallScope {
  /** Labels for these calls; those in a call's own metadata win. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Beats every route. Stays in this process. */
  readonly force?: ForceSelector;
  /** Replaces the value of whatever label a route sticks by. */
  readonly stickyKey?: string;
  /** False: one attempt each. */
  readonly retry?: false;
  /** Gets a report of each call when it has ended. What it throws is ignored. */
  readonly observe?: (report: CallReport) => void;
}

/** The scope of each lane is its own, so that two lanes never mix. */
export class CallScopes {
  readonly #storage = new AsyncLocalStorage<CallScope>();

  /** Runs `fn` with `scope` laid over the one around it: labels are merged, the rest is replaced where given. */
  run<T>(scope: CallScope, fn: () => T): T {
    const outer = this.#storage.getStore();
    const merged = outer === undefined ? scope : { ...outer, ...scope, labels: { ...outer.labels, ...scope.labels } };
    return this.#storage.run(merged, fn);
  }

  current(): CallScope | undefined {
    return this.#storage.getStore();
  }
}
