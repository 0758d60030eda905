import { startBlockingQuery, type Verdict } from './blocking-query';
import type { ConsulDeps, HealthTarget } from './health-target';
import { parseKeys } from './parse-answer';

/** Which instances a Consul filter expression matches, as Consul says. Its failure leaves the last answer in force. */
export interface FilterQuery {
  /** Undefined until the first answer. */
  readonly keys: ReadonlySet<string> | undefined;
  subscribe(listener: (urgent: boolean) => void): () => void;
  close(): void;
}

const EMPTY_RECHECK_MS = 1_000;

export function startFilterQuery(target: HealthTarget, expression: string, deps: ConsulDeps): FilterQuery {
  const { service, tags, datacenter } = target;
  const listeners = new Set<(urgent: boolean) => void>();
  let keys: ReadonlySet<string> | undefined;
  let reported: string | undefined;
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
        const found = parseKeys(answer.body.toString('utf8'), datacenter ?? deps.agent.name ?? 'local');
        if (typeof found === 'string') return { kind: 'garbage', reason: found };
        if (found.size === 0 && answer.filteredByAcl) {
          return { kind: 'refused', reason: 'empty for want of permission (ACL)' };
        }
        reported = undefined;
        // A filtered query wakes at every change of the service.
        if (keys !== undefined && isSameSet(keys, found)) {
          isDoubted = false;
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
        for (const listener of [...listeners]) listener(urgent);
        return { kind: 'changed' };
      },
      failed: (reason) => {
        if (reason === reported) return;
        reported = reason;
        deps.logger.warn('a filter expression could not be evaluated', {
          service,
          datacenter: datacenter ?? 'local',
          filter: expression,
          reason,
        });
      },
    },
    deps,
  );
  return {
    get keys() {
      return keys;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      query.close();
      listeners.clear();
    },
  };
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((key) => b.has(key));
}
