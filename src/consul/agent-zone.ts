import type { ConsulClient } from './client';
import { zoneIn } from './entry-locality';
import type { AgentZone } from './zone-answer';

const TIME_LIMIT_MS = 2_000;

/**
 * Reads the agent's node meta, `zone` or else `availability_zone`. Never rejects. Needs `agent:read`, which a reader of services
 * does not have by itself: there is no other way to learn on which node an agent runs.
 * https://developer.hashicorp.com/consul/api-docs/agent#read-configuration
 */
export async function askAgentZone(client: ConsulClient): Promise<AgentZone> {
  const answer = await client.get({ path: '/agent/self', timeLimitMs: TIME_LIMIT_MS });
  if (answer.kind === 'failure') {
    return answer.status === 403
      ? { kind: 'none', reason: 'the token may not read the agent (agent:read), whose node meta would name the zone' }
      : { kind: 'failure', reason: `the agent did not say: ${answer.reason}` };
  }
  try {
    const zone = zoneIn(JSON.parse(answer.body.toString('utf8'))?.Meta);
    if (zone !== undefined) return { kind: 'zone', zone };
  } catch {
    // Not a Consul agent's answer.
  }
  return { kind: 'none', reason: "the agent's node meta has neither zone nor availability_zone" };
}
