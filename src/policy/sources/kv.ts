import { type BlockingQuery, startBlockingQuery, type Verdict } from '../../discovery/consul/blocking-query';
import type { ConsulAnswer, ConsulClient } from '../../discovery/consul/client';
import { createShared } from '../../discovery/consul/shared';
import { GraylaneError } from '../../errors';
import type { Clock } from '../../internal/clock';
import { type Logger, safeLogger } from '../../internal/logger';
import type { Random } from '../../internal/random';
import type { PolicyReading, PolicySource } from '../source';
import { isSameReading, parseKvAnswer } from './kv-answer';

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

interface KvLoop {
  readonly reading: PolicyReading | undefined;
  subscribe(listener: (reading: PolicyReading) => void): () => void;
  close(): void;
}

/**
 * Policies from Consul's KV store, as text in JSON. One blocking query a key, shared by its watches, running only while
 * somebody watches. A key that is gone reads `absent`; forbidden, unreachable or unreadable is an `error`, never
 * `absent`. Throws INVALID_OPTION for a bad prefix.
 */
export function createKvPolicySource(options: KvPolicySourceOptions, given: KvPolicySourceDeps): PolicySource {
  const prefix = parsePrefix(options.prefix);
  const deps = { ...given, client: options.client, logger: safeLogger(given.logger) };
  const loops = createShared<KvLoop>();
  return {
    origin: 'kv',
    watch(service, listener) {
      const key = `${prefix}/${service}`;
      const lease = loops.acquire(key, () => startKvLoop(key, options.datacenter, deps));
      let isOpen = true;
      const deliver = (reading: PolicyReading): void => {
        if (!isOpen) return;
        try {
          listener(reading);
        } catch (error) {
          deps.logger.error('a listener of policies threw', { key, error: String(error) });
        }
      };
      const known = lease.value.reading;
      const unsubscribe = lease.value.subscribe(deliver);
      if (known !== undefined) {
        queueMicrotask(() => {
          if (lease.value.reading === known) deliver(known);
        });
      }
      return {
        close() {
          isOpen = false;
          unsubscribe();
          lease.release();
        },
      };
    },
  };
}

function startKvLoop(
  key: string,
  datacenter: string | undefined,
  deps: KvPolicySourceDeps & { readonly client: ConsulClient },
): KvLoop {
  const listeners = new Set<(reading: PolicyReading) => void>();
  let reading: PolicyReading | undefined;

  const take = (next: PolicyReading): Verdict => {
    // An absent key wakes its query at every write anywhere in the store.
    if (reading !== undefined && isSameReading(reading, next)) return { kind: 'unchanged' };
    reading = next;
    for (const listener of [...listeners]) listener(next);
    return { kind: 'changed' };
  };

  const accept = (answer: ConsulAnswer & { kind: 'answer' }): Verdict => {
    const next = parseKvAnswer(answer, key);
    if (next.kind !== 'error') return take(next);
    // Consul's own answer about a value that cannot be read changes only with the value; anything else is a fault.
    return { kind: answer.index === undefined ? 'garbage' : 'refused', reason: next.reason };
  };

  const query: BlockingQuery = startBlockingQuery(
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
  return {
    get reading() {
      return reading;
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
