import { Emitter, type Subscription } from '../base/emitter';
import { isRecord } from '../base/is-record';
import type { ConsulClient } from './client';
import { zoneIn } from './health-entry';

/** What the agent says of the zone that its node is in. */
export type AgentZone =
  | { readonly kind: 'zone'; readonly zone: string }
  /** It answered, and that will not change. */
  | { readonly kind: 'none'; readonly reason: string }
  /** It did not answer; it may later. */
  | { readonly kind: 'failure'; readonly reason: string };

const LIMIT_MS = 2_000;

/**
 * Reads the agent's node meta, `zone` or else `availability_zone`. Never rejects. Needs `agent:read`, which a reader of
 * services does not have by itself: there is no other way to learn on which node an agent runs.
 * https://developer.hashicorp.com/consul/api-docs/agent#read-configuration
 */
export async function askAgentZone(client: ConsulClient): Promise<AgentZone> {
  const answer = await client.get({ path: '/agent/self', timeLimitMs: LIMIT_MS });
  if (answer.kind === 'failure') {
    return answer.status === 403
      ? { kind: 'none', reason: 'the token may not read the agent (agent:read), whose node meta would name the zone' }
      : { kind: 'failure', reason: `the agent did not say: ${answer.reason}` };
  }
  const zone = zoneIn(fieldsIn(answer.body)['Meta']);
  if (zone !== undefined) return { kind: 'zone', zone };
  return { kind: 'none', reason: "the agent's node meta has neither zone nor availability_zone" };
}

/** Of an agent's answer; none where it is no such answer. */
function fieldsIn(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const fields: unknown = JSON.parse(body.toString('utf8'));
    return isRecord(fields) ? fields : {};
  } catch {
    return {};
  }
}

/** The name of the datacenter that the agent itself is in. Learned from answers; never required. */
export interface AgentDatacenter {
  readonly name: string | undefined;
  /** Called with what an answer without `dc` came from. */
  learn(name: string): void;
  /** Asks the agent, once in its life, if that is permitted. Never rejects. */
  probe(): Promise<void>;
  /** `listener` runs when the name becomes known or turns out different. Returns how to end it. */
  subscribe(listener: () => void): Subscription;
}

export function createAgentDatacenter(client: ConsulClient): AgentDatacenter {
  const changes = new Emitter();
  let name: string | undefined;
  let probing: Promise<void> | undefined;
  const learn = (found: string): void => {
    if (found === name) return;
    name = found;
    changes.emit();
  };
  const probe = async (): Promise<void> => {
    // Needs `agent:read`; without, the name comes with the first instance.
    const answer = await client.get({ path: '/agent/self', timeLimitMs: LIMIT_MS });
    if (answer.kind !== 'answer' || name !== undefined) return;
    const { Config: config } = fieldsIn(answer.body);
    const found = isRecord(config) ? config['Datacenter'] : undefined;
    if (typeof found === 'string' && found !== '') learn(found);
  };
  return {
    get name() {
      return name;
    },
    learn,
    probe: () => {
      probing ??= probe();
      return probing;
    },
    subscribe: (listener) => changes.subscribe(listener),
  };
}
