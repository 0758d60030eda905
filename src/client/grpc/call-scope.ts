import { AsyncLocalStorage } from 'node:async_hooks';
import { context } from '@opentelemetry/api';
import { GraylaneError } from '../../base/errors';
import { showValue } from '../../base/shorten';
import type { ForceSelector } from '../../policy/plan';
import { withBaggage } from '../propagation/baggage';
import { type ContextRunner, type IncomingContexts, IncomingLabels } from '../propagation/incoming-labels';
import type { ServedCall } from '../propagation/served-call';
import { checkKeys } from './check-arguments';

/** What `graylane.with(scope, fn)` says of the calls made in `fn`. */
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
   * around them is cancelled. For work that is to be done whether or not its caller waits. Default: see
   * `serverInterceptor()`.
   */
  readonly deadline?: 'own';
  /** Gets a report of each call when it has ended. What it throws, or its promise rejects with, is logged once. */
  readonly observe?: (report: CallReport) => void;
}

/** A scope as it is kept, with the call that is being served in it. */
export interface AmbientScope extends CallScope {
  readonly served?: ServedCall | undefined;
  /** What is served is the copy of a call. */
  readonly isCopy?: boolean;
}

/** The scopes of one Graylane client: those of two clients never mix. */
export class CallScopes implements IncomingContexts {
  readonly usesBaggage: boolean;
  readonly incoming: IncomingLabels = new IncomingLabels();
  /** Read by channels when a call is made. */
  readonly storage: AsyncLocalStorage<AmbientScope> = new AsyncLocalStorage();

  constructor(usesBaggage: boolean = false) {
    this.usesBaggage = usesBaggage;
  }

  /** Runs `fn` with `scope` laid over the one around it: labels are merged, the rest is replaced where given. */
  run<T>(scope: CallScope, fn: () => T): T {
    checkScope(scope);
    const outer = this.storage.getStore();
    const merged = outer === undefined ? scope : { ...outer, ...scope, labels: { ...outer.labels, ...scope.labels } };
    if (!this.usesBaggage || scope.labels === undefined) return this.storage.run(merged, fn);
    return context.with(withBaggage(scope.labels, true), () => this.storage.run(merged, fn));
  }

  /** For a call that came in: it begins anew, whatever scope the server was started in. */
  prepare(labels: Readonly<Record<string, string>>, served: ServedCall | undefined, isCopy: boolean): ContextRunner {
    const scope: AmbientScope = { labels, served, isCopy };
    const run: ContextRunner = (fn) => this.storage.run(scope, fn);
    if (!this.usesBaggage) return run;
    const arrived = withBaggage(labels, false);
    return (fn) => context.with(arrived, () => run(fn));
  }

  current(): AmbientScope | undefined {
    return this.storage.getStore();
  }
}

const SCOPE_KEYS: readonly (keyof CallScope)[] = ['labels', 'force', 'stickyKey', 'retry', 'deadline', 'observe'];
const FORCE_KEYS: readonly (keyof ForceSelector)[] = ['endpoint', 'instance', 'subset', 'datacenter', 'strict'];

/** Of each value, what plain JavaScript could have got wrong without a word. */
function checkScope(scope: CallScope): void {
  checkKeys(scope, 'with', SCOPE_KEYS);
  const { force, stickyKey, retry, deadline, observe } = scope;
  if (force !== undefined) checkKeys(force, 'with.force', FORCE_KEYS);
  if (stickyKey !== undefined && typeof stickyKey !== 'string') refuse('stickyKey', stickyKey, 'a string');
  if (retry !== undefined && retry !== false) refuse('retry', retry, 'false, or left out');
  if (deadline !== undefined && deadline !== 'own') refuse('deadline', deadline, "'own', or left out");
  if (observe !== undefined && typeof observe !== 'function') refuse('observe', observe, 'a function');
}

function refuse(key: string, value: unknown, expected: string): never {
  throw new GraylaneError('INVALID_OPTION', `with.${key}: ${showValue(value)} (expected: ${expected})`);
}

/** What became of one call, for `graylane.with({ observe })`. Plain data. */
export interface CallReport {
  /** Consul service name. */
  readonly service: string;
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Undefined when the call ended before anything was known. */
  readonly decision: CallReportDecision | undefined;
  /** In the order they were picked; an attempt that was cancelled before it started is not among them. */
  readonly attempts: readonly CallReportAttempt[];
  /** gRPC status code and details of the call. */
  readonly code: number;
  /** Details of the final status. */
  readonly details: string;
  /** Milliseconds from `start()` to the final status. */
  readonly durationMs: number;
}

/** What the policy said of a call. */
interface CallReportDecision {
  /** What decided. */
  readonly by: 'route' | 'default' | 'lane' | 'override' | 'force';
  /** Name of the route; `default`, `lane`, `override` and `force` stand for themselves. */
  readonly route: string;
  /** The subset that was decided on; who served stands in the attempts. */
  readonly subset: string;
  /** The lane that it leads to; missing for a call that goes by no lane. */
  readonly lane?: string;
  /** Revision of the policy. */
  readonly revision: string;
}

/** One try of a call at one endpoint. */
export interface CallReportAttempt {
  /** `host:port`. */
  readonly endpoint: string;
  /** Consul service ID. */
  readonly instance: string;
  /** Datacenter of the instance. */
  readonly datacenter: string;
  /** Subset that the instance served as. */
  readonly subset: string;
  /** 0 is the tier that the decision wanted. */
  readonly tier: number;
  /** gRPC status code of the attempt. */
  readonly code: number;
  /** Details of its status. */
  readonly details: string;
  /** Milliseconds from its start to its status. */
  readonly durationMs: number;
  /** Name of the fault of the policy that hit it; missing where none did. */
  readonly fault?: string;
}
