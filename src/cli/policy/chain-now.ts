import { parseChain } from '../../client/state/policy-sources/consul';
import type { ConsulClient } from '../../consul/client';
import { CommandError } from '../command-error';
import { nameOf } from '../consul/store-session';

const TIME_LIMIT_MS = 10_000;

/** The discovery chain of a service as Consul has it compiled now. Throws a CommandError. */
export async function readChainNow(
  client: ConsulClient,
  service: string,
  datacenter: string | undefined,
): Promise<object> {
  const answer = await client.get({
    path: '/discovery-chain/{service}',
    params: { service },
    query: datacenter === undefined ? {} : { dc: datacenter },
    timeLimitMs: TIME_LIMIT_MS,
  });
  const chain = answer.kind === 'failure' ? answer.reason : parseChain(answer);
  if (typeof chain !== 'string') return chain;
  throw new CommandError(
    2,
    `discovery chain of ${service} in ${nameOf(datacenter)}: ${chain}`,
    'check that the servers have connect.enabled and the token service:read',
  );
}
