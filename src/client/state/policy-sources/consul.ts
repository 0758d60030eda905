import { Emitter } from '../../../base/emitter';
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

export interface ConsulPolicyOptions {
  /** Stays open when the source is closed: other code may use it. */
  readonly client: ConsulClient;
  /** Whose KV store, which Consul does not replicate, or whose config entries. Default: the agent's own datacenter's. */
  readonly datacenter?: string | undefined;
  /** In which datacenter a chain is to hold. Default: the one that is asked. */
  readonly compiledFor?: string | undefined;
}

type Answer = ConsulAnswer & { readonly kind: 'answer' };

/** What one blocking query asks, and how its answers are read. */
interface QuerySpec {
  /** For reasons of failure. */
  readonly name: string;
  readonly request: { readonly path: string; readonly params: Record<string, string>; readonly query: object };
  read(answer: Answer): PolicyReading | (Verdict & { readonly kind: 'garbage' | 'refused' });
  /** Whether a good reading says the same as the one before. */
  isSame(
    last: PolicyReading & { readonly kind: 'present' },
    next: PolicyReading & { readonly kind: 'present' },
  ): boolean;
}

/** The policy of `payments` is at `graylane/policies/payments`, the list `vip` at `graylane/lists/vip`. */
type KvPrefix = 'graylane/policies' | 'graylane/lists';

/**
 * Policies from Consul's KV store, as text in JSON, or lists of values. A key that is gone reads `absent`; forbidden, unreachable or
 * unreadable is an `error`, never `absent`.
 */
export function createKvPolicySource(
  { client, datacenter }: ConsulPolicyOptions,
  deps: Runtime,
  prefix: KvPrefix = 'graylane/policies',
): PolicySource {
  return createSource('kv', { ...deps, client }, (name) => {
    const key = `${prefix}/${name}`;
    return {
      name: prefix === 'graylane/policies' ? `policy ${key}` : `list ${key}`,
      request: { path: '/kv/{key}', params: { key }, query: datacenter === undefined ? {} : { dc: datacenter } },
      read(answer) {
        const next = parseKvAnswer(answer, key);
        if (next.kind !== 'error') return next;
        // Consul's own answer about a value that cannot be read changes only with the value; anything else is a fault.
        return { kind: answer.index === undefined ? 'garbage' : 'refused', reason: next.reason };
      },
      isSame: (last, next) => last.content === next.content && last.index === next.index,
    };
  });
}

/**
 * Discovery chains, as Consul compiles them from its config entries. A service without entries has a chain too, so a
 * reading is `present` or an `error` (Connect disabled, forbidden, unreachable, unreadable), never `absent`.
 * https://developer.hashicorp.com/consul/api-docs/discovery-chain
 */
export function createChainPolicySource(options: ConsulPolicyOptions, deps: Runtime): PolicySource {
  const { client, datacenter, compiledFor } = options;
  const query = {
    ...(datacenter === undefined ? {} : { dc: datacenter }),
    ...(compiledFor === undefined ? {} : { 'compile-dc': compiledFor }),
  };
  return createSource('chain', { ...deps, client }, (service) => ({
    name: `discovery chain of ${service}`,
    request: { path: '/discovery-chain/{service}', params: { service }, query },
    read(answer) {
      const chain = parseChain(answer);
      if (typeof chain === 'string') return { kind: 'garbage', reason: chain };
      const index = answer.index === undefined ? {} : { index: String(answer.index) };
      return { kind: 'present', content: chain, format: 'object', origin: 'chain', ...index };
    },
    // Every write of any config entry wakes every such query.
    isSame: (last, next) => canonicalJson(last.content) === canonicalJson(next.content),
  }));
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

interface SharedQuery {
  readonly latest: PolicyReading | undefined;
  readonly readings: Emitter<PolicyReading>;
  close(): void;
}

type SourceDeps = Runtime & { readonly client: ConsulClient };

/** One query for each service while there is a watch of it; a later watch gets the latest reading at once. */
function createSource(
  origin: PolicySource['origin'],
  given: SourceDeps,
  specOf: (service: string) => QuerySpec,
): PolicySource {
  const deps = { ...given, logger: safeLogger(given.logger) };
  const queries = createRefCounted<SharedQuery>();
  return {
    origin,
    watch(service, listener) {
      const lease = queries.acquire(service, () => startQuery(specOf(service), deps));
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

function startQuery({ name, request, read, isSame }: QuerySpec, deps: SourceDeps): SharedQuery {
  const readings = new Emitter<PolicyReading>((error) => {
    deps.logger.error('a listener of policies threw', { source: name, error: String(error) });
  });
  let latest: PolicyReading | undefined;
  const take = (next: PolicyReading): Verdict => {
    // An absent key wakes its query at every write anywhere in the store.
    const isKnown =
      latest?.kind === 'present' && next.kind === 'present'
        ? isSame(latest, next)
        : latest?.kind === next.kind && (next.kind !== 'error' || (latest as typeof next).reason === next.reason);
    if (isKnown) return { kind: 'unchanged' };
    latest = next;
    readings.emit(next);
    return { kind: 'changed' };
  };
  const query: BlockingQuery = startBlockingQuery(
    {
      request: () => ({ ...request, query: { ...request.query } }),
      accept: (answer) => {
        const reading = read(answer);
        return reading.kind === 'garbage' || reading.kind === 'refused' ? reading : take(reading);
      },
      // Told once for each reason, however often the query is tried again.
      onFailure: (reason) => void take({ kind: 'error', reason: `${name}: ${reason}` }),
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
