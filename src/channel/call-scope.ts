import { AsyncLocalStorage } from 'node:async_hooks';
import { context } from '@opentelemetry/api';
import { GraylaneError } from '../errors';
import type { ForceSelector } from '../policy/plan';
import type { Ambient, Runner } from '../propagation/ambient';
import { withBaggage } from '../propagation/baggage';
import type { ServedCall } from '../propagation/served-call';
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
  /**
   * `'own'`: these calls have the deadline that they are given themselves, and go on when the call that is being served
   * around them is cancelled. For work that is to be done whether or not its caller waits. Default: see `serverInterceptor()`.
   */
  readonly deadline?: 'own';
  /** Gets a report of each call when it has ended. What it throws is ignored. */
  readonly observe?: (report: CallReport) => void;
}

/** A scope as it is kept, with the call that is being served in it. */
export interface AmbientScope extends CallScope {
  readonly served?: ServedCall | undefined;
}

/** The scope of each lane is its own, so that two lanes never mix. */
export class CallScopes implements Ambient {
  readonly usesBaggage: boolean;
  readonly #storage = new AsyncLocalStorage<AmbientScope>();

  constructor(usesBaggage: boolean = false) {
    this.usesBaggage = usesBaggage;
  }

  /** Runs `fn` with `scope` laid over the one around it: labels are merged, the rest is replaced where given. */
  run<T>(scope: CallScope, fn: () => T): T {
    if (scope.deadline !== undefined && scope.deadline !== 'own') {
      throw new GraylaneError('INVALID_OPTION', `deadline: ${String(scope.deadline)} (expected: 'own')`);
    }
    const outer = this.#storage.getStore();
    const merged = outer === undefined ? scope : { ...outer, ...scope, labels: { ...outer.labels, ...scope.labels } };
    if (!this.usesBaggage || scope.labels === undefined) return this.#storage.run(merged, fn);
    return context.with(withBaggage(scope.labels, true), () => this.#storage.run(merged, fn));
  }

  /** For a call that came in: it begins anew, whatever scope the server was started in. */
  prepare(labels: Readonly<Record<string, string>>, served: ServedCall | undefined): Runner {
    const scope: AmbientScope = { labels, served };
    const run: Runner = (fn) => this.#storage.run(scope, fn);
    if (!this.usesBaggage) return run;
    const arrived = withBaggage(labels, false);
    return (fn) => context.with(arrived, () => run(fn));
  }

  current(): AmbientScope | undefined {
    return this.#storage.getStore();
  }
}
