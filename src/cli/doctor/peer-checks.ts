import { isRecord } from '../../base/is-record';
import { peerPlace } from '../../base/peer-place';
import type { ConsulClient } from '../../consul/client';
import { parseHealth } from '../../consul/parse-answer';
import { lookupsOf } from '../../policy/destinations';
import type { Lookup, Plan } from '../../policy/plan';
import type { Finding } from './finding';

const TIME_LIMIT_MS = 5_000;
const RIGHTS = 'service_prefix "" { policy = "read" } and node_prefix "" { policy = "read" }';

/**
 * The peers that a plan leads to: whether each is there, and whether the token sees its instances. Consul lists imported
 * services only to tokens that may read all services and all nodes, and says nothing to others.
 * https://developer.hashicorp.com/consul/docs/connect/cluster-peering
 */
export async function checkPeers(
  client: ConsulClient,
  plan: Plan,
  dc: string | undefined,
): Promise<readonly Finding[]> {
  const lookups = lookupsOf(plan).filter(({ scope }) => scope['peer'] !== undefined);
  const findings = await Promise.all(lookups.map((lookup) => checkPeer(client, lookup, dc)));
  return findings.flat();
}

async function checkPeer(client: ConsulClient, lookup: Lookup, dc: string | undefined): Promise<readonly Finding[]> {
  const { service, scope } = lookup;
  const peer = scope['peer'] ?? '';
  const check = `instances of ${service} in ${peerPlace(peer)}`;
  const inDatacenter = dc === undefined ? {} : { dc };
  const state = await stateOf(client, peer, inDatacenter);
  const answer = await client.get({
    path: '/health/service/{service}',
    params: { service },
    query: { ...scope, ...inDatacenter },
    timeLimitMs: TIME_LIMIT_MS,
  });
  if (answer.kind === 'failure') {
    return [{ check, state: 'problem', finding: answer.reason, next: `consul peering read -name ${peer}` }];
  }
  if (answer.filteredByAcl) {
    const finding = 'the token may not see all of them, and Consul leaves out what it may not see';
    return [{ check, state: 'problem', finding, next: `give its ACL policy ${RIGHTS}` }];
  }
  const parsed = parseHealth(answer.body.toString('utf8'), peerPlace(peer), [], { peer });
  if (parsed.kind !== 'health') return [{ check, state: 'problem', finding: parsed.reason, next: 'look at the peer' }];
  const { instances } = parsed;
  const usable = instances.filter(({ status, weight }) => status !== 'critical' && weight > 0).length;
  const finding = `${usable} of ${instances.length} usable${state === undefined ? '' : `; the peering is ${state}`}`;
  if (state !== undefined && state !== 'ACTIVE') {
    return [{ check, state: 'problem', finding, next: `consul peering read -name ${peer}` }];
  }
  if (usable > 0) return [{ check, state: 'ok', finding }];
  const next = `see that the peer exports ${service} to this cluster: consul peering exported-services, at the peer`;
  return [{ check, state: 'warning', finding, next }];
}

/** What Consul calls the state of the peering; undefined where that may not be read (`peering = "read"`), as is common. */
async function stateOf(client: ConsulClient, peer: string, query: Record<string, string>): Promise<string | undefined> {
  const answer = await client.get({ path: '/peering/{peer}', params: { peer }, query, timeLimitMs: TIME_LIMIT_MS });
  if (answer.status === 404) return 'not there';
  if (answer.kind === 'failure') return undefined;
  try {
    const found: unknown = JSON.parse(answer.body.toString('utf8'));
    return isRecord(found) && typeof found['State'] === 'string' ? found['State'] : undefined;
  } catch {
    return undefined;
  }
}
