import type { Clock } from '../../../base/clock';
import { GraylaneError } from '../../../base/errors';
import { type Logger, safeLogger } from '../../../base/logger';
import type { Random } from '../../../base/random';
import { type BlockingQuery, startBlockingQuery, type Verdict } from '../../../consul/blocking-query';
import type { ConsulClient } from '../../../consul/client';
import type { ConsulAnswer } from '../../../consul/request';
import type { PolicyReading } from '../../../policy/policy-reading';
import { isSameReading, parseKvAnswer } from './kv-answer';
import { createSharedReadings, type Readings } from './shared-readings';
import type { PolicySource } from './source';

export interface KvPolicySourceOptions {
  /** Stays open when the source is closed: others may use it. */
  readonly client: ConsulClient;
  /** The policy of `payments` is at `<prefix>/payments`. Default: `graylane/policies`. */
  readonly prefix?: string;
  /** Whose KV store. Consul does not replicate it. Default: the one of the agent's own datacenter. */
  readonly datacenter?: string;
}

export interface KvPolicySourceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const DEFAULT_PREFIX = 'graylane/policies';
const MAX_KEY_LENGTH = 512;

/**
 * Policies from Consul's KV store, as text in JSON. One blocking query a key, shared by its watches, running only while
 * somebody watches. A key that is gone reads `absent`; forbidden, unreachable or unreadable is an `error`, never
 * `absent`. Throws INVALID_OPTION for a bad prefix.
 */
export function createKvPolicySource(options: KvPolicySourceOptions, given: KvPolicySourceDeps): PolicySource {
  const prefix = parsePrefix(options.prefix);
  const deps = { ...given, client: options.client, logger: safeLogger(given.logger) };
  const shared = createSharedReadings((key, error) => {
    deps.logger.error('a listener of policies threw', { key, error: String(error) });
  });
  return {
    origin: 'kv',
    watch(service, listener) {
      const key = `${prefix}/${service}`;
      return shared.watch(key, (readings) => queryKey(key, options.datacenter, deps, readings), listener);
    },
  };
}

function queryKey(
  key: string,
  datacenter: string | undefined,
  deps: KvPolicySourceDeps & { readonly client: ConsulClient },
  readings: Readings,
): BlockingQuery {
  const take = (next: PolicyReading): Verdict => {
    // An absent key wakes its query at every write anywhere in the store.
    if (readings.latest !== undefined && isSameReading(readings.latest, next)) return { kind: 'unchanged' };
    readings.tell(next);
    return { kind: 'changed' };
  };

  const accept = (answer: ConsulAnswer & { kind: 'answer' }): Verdict => {
    const next = parseKvAnswer(answer, key);
    if (next.kind !== 'error') return take(next);
    // Consul's own answer about a value that cannot be read changes only with the value; anything else is a fault.
    return { kind: answer.index === undefined ? 'garbage' : 'refused', reason: next.reason };
  };

  return startBlockingQuery(
    {
      request: () => ({
        path: '/kv/{key}',
        params: { key },
        query: datacenter === undefined ? {} : { dc: datacenter },
      }),
      accept,
      failed: (reason) => void take({ kind: 'error', reason: `policy ${key}: ${reason}` }),
    },
    deps,
  );
}

function parsePrefix(text: string | undefined): string {
  const prefix = (text ?? DEFAULT_PREFIX).replace(/^\/+|\/+$/g, '');
  if (prefix === '' || prefix.length > MAX_KEY_LENGTH || /\p{Cc}/u.test(prefix) || prefix.includes('//')) {
    throw new GraylaneError(
      'INVALID_OPTION',
      `policyPrefix: ${JSON.stringify(text)} (expected: a KV path such as ${DEFAULT_PREFIX})`,
    );
  }
  return prefix;
}
