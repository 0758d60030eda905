import { Emitter } from '../../../base/emitter';
import { GraylaneError } from '../../../base/errors';
import { isRecord } from '../../../base/is-record';
import { safeLogger } from '../../../base/logger';
import { createRefCounted } from '../../../base/ref-counted';
import type { Runtime } from '../../../base/runtime';
import { type BlockingQuery, startBlockingQuery, type Verdict } from '../../../consul/blocking-query';
import type { ConsulClient } from '../../../consul/client';
import { readKvAnswer } from '../../../consul/kv-entry';
import type { ConsulAnswer } from '../../../consul/request';
import { canonicalJson } from '../../../policy/plain-data';
import type { PolicyReading } from '../../../policy/policy-reading';
import type { PolicySource } from './source';

export interface KvPolicySourceOptions {
  /** Stays open when the source is closed: other code may use it. */
  readonly client: ConsulClient;
  /** The policy of `payments` is at `<prefix>/payments`. Default: `graylane/policies`. */
  readonly prefix?: string;
  /** Whose KV store. Consul does not replicate it. Default: the one of the agent's own datacenter. */
  readonly datacenter?: string;
}

export interface ChainPolicySourceOptions {
  /** Stays open when the source is closed: other code may use it. */
  readonly client: ConsulClient;
  /** Whose config entries. Default: those of the agent's own datacenter. */
  readonly datacenter?: string;
  /** In which datacenter the chain is to hold. Default: the one that is asked. */
  readonly compiledFor?: string;
}

type Answer = ConsulAnswer & { readonly kind: 'answer' };

const DEFAULT_PREFIX = 'graylane/policies';
const MAX_KEY_LENGTH = 512;

/**
 * Policies from Consul's KV store, as text in JSON. One blocking query a key, shared by its watches, which runs only
 * while there is a watch. A key that is gone reads `absent`; forbidden, unreachable or unreadable is an `error`, never
 * `absent`. Throws INVALID_OPTION for a bad prefix.
 */
export function createKvPolicySource(options: KvPolicySourceOptions, deps: Runtime): PolicySource {
  const prefix = parsePrefix(options.prefix);
  const query = options.datacenter === undefined ? {} : { dc: options.datacenter };
  const shared = createSharedQueries({ ...deps, client: options.client });
  return {
    origin: 'kv',
    watch(service, listener) {
      const key = `${prefix}/${service}`;
      return shared.watch(key, listener, (latest) => ({
        request: { path: '/kv/{key}', params: { key }, query },
        read: (answer) => {
          const next = parseKvAnswer(answer, key);
          if (next.kind !== 'error') return next;
          // Consul's own answer about a value that cannot be read changes only with the value; anything else is a
          // fault.
          return { kind: answer.index === undefined ? 'garbage' : 'refused', reason: next.reason };
        },
        // An absent key wakes its query at every write anywhere in the store.
        isSame: (next) => latest() !== undefined && isSameReading(latest() as PolicyReading, next),
        failure: (reason) => `policy ${key}: ${reason}`,
      }));
    },
  };
}

/**
 * Discovery chains, as Consul compiles them from its config entries: one blocking query a service, shared by its
 * watches, which runs only while there is a watch. A service without entries has a chain too, so a reading is `present`
 * or an `error` (Connect disabled, forbidden, unreachable, unreadable), never `absent`.
 * https://developer.hashicorp.com/consul/api-docs/discovery-chain
 */
export function createChainPolicySource(options: ChainPolicySourceOptions, deps: Runtime): PolicySource {
  const { datacenter, compiledFor } = options;
  const query = {
    ...(datacenter === undefined ? {} : { dc: datacenter }),
    ...(compiledFor === undefined ? {} : { 'compile-dc': compiledFor }),
  };
  const shared = createSharedQueries({ ...deps, client: options.client });
  return {
    origin: 'chain',
    watch: (service, listener) =>
      shared.watch(service, listener, (latest) => {
        let content: string | undefined;
        return {
          request: { path: '/discovery-chain/{service}', params: { service }, query },
          read: (answer) => {
            const chain = parseChain(answer);
            if (typeof chain === 'string') return { kind: 'garbage', reason: chain };
            const index = answer.index === undefined ? {} : { index: String(answer.index) };
            return { kind: 'present', content: chain, format: 'object', origin: 'chain', ...index };
          },
          isSame: (next) => {
            const last = latest();
            if (next.kind === 'error') return last?.kind === 'error' && last.reason === next.reason;
            // Every write of any config entry wakes every such query.
            const text = next.kind === 'present' ? canonicalJson(next.content) : undefined;
            const isSame = last?.kind === 'present' && text === content;
            content = text;
            return isSame;
          },
          failure: (reason) => `discovery chain of ${service}: ${reason}`,
        };
      }),
  };
}

/** What one answer of `/v1/kv/<key>` says of a policy. Pure; never throws. */
export function parseKvAnswer(answer: Answer, key: string): PolicyReading {
  const entry = readKvAnswer(answer, key);
  if (entry.kind !== 'entry') return entry;
  const { text: content, index } = entry;
  const place = `Consul KV ${key}`;
  return { kind: 'present', content, format: 'json', place, ...(index === undefined ? {} : { index }) };
}

/** The chain, or what is wrong with the answer. */
export function parseChain(answer: Answer): object | string {
  if (answer.status === 404) return 'not found';
  try {
    const body: unknown = JSON.parse(answer.body.toString('utf8'));
    const chain = isRecord(body) ? body['Chain'] : undefined;
    if (!isRecord(chain) || !isRecord(chain['Nodes'])) return 'the answer is not a discovery chain';
    return chain;
  } catch {
    return 'the answer is not JSON';
  }
}

/** What one blocking query asks, and how its answers are read. */
interface QuerySpec {
  readonly request: { readonly path: string; readonly params: Record<string, string>; readonly query: object };
  read(answer: Answer): PolicyReading | (Verdict & { readonly kind: 'garbage' | 'refused' });
  /** Whether `next` says the same as the reading before. */
  isSame(next: PolicyReading): boolean;
  failure(reason: string): string;
}

interface SharedQuery {
  readonly latest: PolicyReading | undefined;
  readonly readings: Emitter<PolicyReading>;
  close(): void;
}

/** One query for each key while there is a watch of it; a later watch gets the latest reading at once. */
function createSharedQueries(given: Runtime & { readonly client: ConsulClient }) {
  const deps = { ...given, logger: safeLogger(given.logger) };
  const queries = createRefCounted<SharedQuery>();
  return {
    watch(
      key: string,
      listener: (reading: PolicyReading) => void,
      specOf: (latest: () => PolicyReading | undefined) => QuerySpec,
    ): { close(): void } {
      const lease = queries.acquire(key, () => startQuery(key, specOf, deps));
      let isOpen = true;
      const deliver = (reading: PolicyReading): void => {
        if (isOpen) listener(reading);
      };
      const { latest, readings } = lease.value;
      const unsubscribe = readings.subscribe(deliver);
      if (latest !== undefined) {
        queueMicrotask(() => {
          if (lease.value.latest === latest) deliver(latest);
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

function startQuery(
  key: string,
  specOf: (latest: () => PolicyReading | undefined) => QuerySpec,
  deps: Runtime & { readonly client: ConsulClient },
): SharedQuery {
  const readings = new Emitter<PolicyReading>((error) => {
    deps.logger.error('a listener of policies threw', { key, error: String(error) });
  });
  let latest: PolicyReading | undefined;
  const spec = specOf(() => latest);
  const take = (next: PolicyReading): Verdict => {
    if (spec.isSame(next)) return { kind: 'unchanged' };
    latest = next;
    readings.emit(next);
    return { kind: 'changed' };
  };
  const query: BlockingQuery = startBlockingQuery(
    {
      request: () => ({ ...spec.request, query: { ...spec.request.query } }),
      accept: (answer) => {
        const read = spec.read(answer);
        return read.kind === 'garbage' || read.kind === 'refused' ? read : take(read);
      },
      // Told once for each reason, however often the query is tried again.
      onFailure: (reason) => void take({ kind: 'error', reason: spec.failure(reason) }),
    },
    deps,
  );
  return {
    get latest() {
      return latest;
    },
    readings,
    close() {
      query.close();
      readings.clear();
    },
  };
}

function isSameReading(a: PolicyReading, b: PolicyReading): boolean {
  if (a.kind === 'present' && b.kind === 'present') return a.content === b.content && a.index === b.index;
  if (a.kind === 'error' && b.kind === 'error') return a.reason === b.reason;
  return a.kind === b.kind;
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
