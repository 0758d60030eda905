import { Emitter, type Subscription } from '../../../base/emitter';
import type { FilterFailure } from '../../../base/instances';
import { sameSets } from '../../../base/same-items';
import { startBlockingQuery, type Verdict } from '../../../consul/blocking-query';
import { parseKeys } from '../../../consul/health-answer';
import { answerRules, type ConsulDeps, type HealthTarget, placeOf } from './health-target';

/** Which instances a Consul filter expression matches, as Consul says. Its failure leaves the last answer in force. */
export interface FilterQuery {
  /** Undefined until the first answer. */
  readonly keys: ReadonlySet<string> | undefined;
  /** Why the last question had no answer; undefined when it had one. */
  readonly failure: FilterFailure | undefined;
  subscribe(listener: (urgent: boolean) => void): Subscription;
  close(): void;
}

const EMPTY_RECHECK_MS = 1_000;
/** Consul's word on an expression that it cannot evaluate: 500 and 400 say many other things, too. */
const REFUSED = /boolean expression evaluator|failed to create filter|error finding value in datum/i;

/** Whether a failed health query was refused for its filter. */
export function isFilterRefused(reason: string): boolean {
  return REFUSED.test(reason);
}

export function startFilterQuery(target: HealthTarget, expression: string, deps: ConsulDeps): FilterQuery {
  const { service, tags, datacenter } = target;
  const changes = new Emitter<boolean>();
  let keys: ReadonlySet<string> | undefined;
  let failure: FilterFailure | undefined;
  let isDoubted = false;

  const query = startBlockingQuery(
    {
      request: () => ({
        path: '/health/service/{service}',
        params: { service },
        query: {
          filter: expression,
          ...target.scope,
          ...(datacenter === undefined ? {} : { dc: datacenter }),
          ...(tags.length === 0 ? {} : { tag: tags }),
        },
      }),
      accept: (answer): Verdict => {
        const place = placeOf(target, deps.agent.name);
        const found = parseKeys(answer.body.toString('utf8'), place, answerRules(target));
        if (typeof found === 'string') return { kind: 'garbage', reason: found };
        if (found.size === 0 && answer.filteredByAcl) {
          return { kind: 'refused', reason: 'empty for want of permission (ACL)' };
        }
        const hadFailed = failure !== undefined;
        failure = undefined;
        // A filtered query wakes at every change of the service.
        if (keys !== undefined && sameSets(keys, found)) {
          isDoubted = false;
          if (hadFailed) changes.emit(false);
          return { kind: 'unchanged' };
        }
        // Where the service itself vanished, its own query says so soon, and whether that is believed.
        if (found.size === 0 && keys !== undefined && !isDoubted) {
          isDoubted = true;
          return { kind: 'doubted', againInMs: EMPTY_RECHECK_MS };
        }
        isDoubted = false;
        const urgent = keys === undefined;
        keys = found;
        changes.emit(urgent);
        return { kind: 'changed' };
      },
      onFailure: (reason) => {
        if (reason === failure?.reason) return;
        failure = { reason, isRefused: isFilterRefused(reason) };
        const message =
          keys === undefined
            ? 'a filter expression cannot be evaluated; the subsets that need it are empty'
            : 'a filter expression cannot be evaluated; its last answer stays';
        deps.logger.warn(message, { service, datacenter: placeOf(target), filter: expression, reason });
        changes.emit(keys === undefined);
      },
    },
    deps,
  );
  return {
    get keys() {
      return keys;
    },
    get failure() {
      return failure;
    },
    subscribe: (listener) => changes.subscribe(listener),
    close() {
      query.close();
      changes.clear();
    },
  };
}
