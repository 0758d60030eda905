import { parseChain } from '../../client/state/policy-sources/consul';
import type { ConsulClient } from '../../consul/client';
import { PLAIN_TIME_LIMIT_MS } from '../../consul/request';
import { inDatacenter } from '../../ops/store/kv';
import { compileChain } from '../../policy/chain/compile';
import { isDefaultChain } from '../../policy/chain/decisions';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import { CommandError } from '../command';
import { nextForRequest } from './next-step';
import { nameOf } from './store-session';

/** Whose policy is judged. */
export interface Judged {
  readonly service: string;
  readonly datacenter: string | undefined;
}

/**
 * What clients go by where there is no document: the chain of Consul's config entries, unless it is the default one.
 */
export async function chainInForce(client: ConsulClient, { service, datacenter }: Judged): Promise<Plan | undefined> {
  try {
    const chain = await readChainNow(client, service, datacenter);
    return isDefaultChain(chain) ? undefined : compileChain(chain, { service, sourceAddress: '127.0.0.1' });
  } catch (error) {
    // Servers without Connect have none, and clients go on without one that they cannot read or honour.
    if (error instanceof CommandError || error instanceof PolicyError) return undefined;
    throw error;
  }
}

/** The discovery chain of a service as Consul has it compiled now. Throws a CommandError. */
export async function readChainNow(client: ConsulClient, service: string, dc: string | undefined): Promise<object> {
  const how = { params: { service }, query: inDatacenter(dc), timeLimitMs: PLAIN_TIME_LIMIT_MS };
  const answer = await client.get({ path: '/discovery-chain/{service}', ...how });
  const chain = answer.kind === 'failure' ? answer.reason : parseChain(answer);
  if (typeof chain !== 'string') return chain;
  const next = nextForRequest(chain, 'check that the servers have connect.enabled and the token service:read');
  throw new CommandError(2, `discovery chain of ${service} in ${nameOf(dc)}: ${chain}`, next);
}
