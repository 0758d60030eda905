import type { Clock } from '../../../base/clock';
import { isRecord } from '../../../base/is-record';
import { type Logger, safeLogger } from '../../../base/logger';
import type { Random } from '../../../base/random';
import { type BlockingQuery, startBlockingQuery, type Verdict } from '../../../consul/blocking-query';
import type { ConsulClient } from '../../../consul/client';
import type { ConsulAnswer } from '../../../consul/request';
import { canonicalJson } from '../../../policy/plain-data';
import { createSharedReadings, type Readings } from './shared-readings';
import type { PolicySource } from './source';

export interface ChainPolicySourceOptions {
  /** Stays open when the source is closed: others may use it. */
  readonly client: ConsulClient;
  /** Whose config entries. Default: those of the agent's own datacenter. */
  readonly datacenter?: string;
  /** In which datacenter the chain is to hold. Default: the one that is asked. */
  readonly compiledFor?: string;
}

export interface ChainPolicySourceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Discovery chains, as Consul compiles them from its config entries: one blocking query a service, shared by its watches,
 * running only while somebody watches. A service without entries has a chain too, so a reading is `present` or an `error`
 * (Connect disabled, forbidden, unreachable, unreadable), never `absent`.
 * https://developer.hashicorp.com/consul/api-docs/discovery-chain
 */
export function createChainPolicySource(options: ChainPolicySourceOptions, given: ChainPolicySourceDeps): PolicySource {
  const deps = { ...given, client: options.client, logger: safeLogger(given.logger) };
  const shared = createSharedReadings((service, error) => {
    deps.logger.error('a listener of discovery chains threw', { service, error: String(error) });
  });
  return {
    origin: 'chain',
    watch: (service, listener) =>
      shared.watch(service, (readings) => queryChain(service, options, deps, readings), listener),
  };
}

function queryChain(
  service: string,
  { datacenter, compiledFor }: ChainPolicySourceOptions,
  deps: ChainPolicySourceDeps & { readonly client: ConsulClient },
  readings: Readings,
): BlockingQuery {
  let content: string | undefined;

  const accept = (answer: ConsulAnswer & { readonly kind: 'answer' }): Verdict => {
    const chain = parseChain(answer);
    if (typeof chain === 'string') return { kind: 'garbage', reason: chain };
    // Every write of any config entry wakes every such query.
    const next = canonicalJson(chain);
    if (readings.latest?.kind === 'present' && next === content) return { kind: 'unchanged' };
    content = next;
    const index = answer.index === undefined ? {} : { index: String(answer.index) };
    readings.tell({ kind: 'present', content: chain, format: 'object', origin: 'chain', ...index });
    return { kind: 'changed' };
  };

  return startBlockingQuery(
    {
      request: () => ({
        path: '/discovery-chain/{service}',
        params: { service },
        query: {
          ...(datacenter === undefined ? {} : { dc: datacenter }),
          ...(compiledFor === undefined ? {} : { 'compile-dc': compiledFor }),
        },
      }),
      accept,
      failed: (why) => {
        const reason = `discovery chain of ${service}: ${why}`;
        // Said once for each reason, however often it is tried again.
        const { latest } = readings;
        if (latest?.kind !== 'error' || latest.reason !== reason) readings.tell({ kind: 'error', reason });
      },
    },
    deps,
  );
}

/** The chain, or what is wrong with the answer. */
export function parseChain(answer: ConsulAnswer & { readonly kind: 'answer' }): object | string {
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
