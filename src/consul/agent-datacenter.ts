import type { ConsulClient } from './client';

/** The name of the datacenter that the agent itself is in. Learned from answers; never required. */
export interface AgentDatacenter {
  readonly name: string | undefined;
  /** Called with what an answer without `dc` came from. */
  learn(name: string): void;
  /** Asks the agent, once in its life, if that is permitted. Never rejects. */
  probe(): Promise<void>;
  /** `listener` runs when the name becomes known or turns out different. Returns how to end it. */
  subscribe(listener: () => void): () => void;
}

const PROBE_LIMIT_MS = 2000;

export function createAgentDatacenter(client: ConsulClient): AgentDatacenter {
  const listeners = new Set<() => void>();
  let name: string | undefined;
  let probing: Promise<void> | undefined;
  const learn = (found: string): void => {
    if (found === name) return;
    name = found;
    for (const listener of [...listeners]) listener();
  };
  const probe = async (): Promise<void> => {
    // Needs `agent:read`; without, the name comes with the first instance.
    const answer = await client.get({ path: '/agent/self', timeLimitMs: PROBE_LIMIT_MS });
    if (answer.kind !== 'answer' || name !== undefined) return;
    try {
      const found: unknown = JSON.parse(answer.body.toString('utf8'))?.Config?.Datacenter;
      if (typeof found === 'string' && found !== '') learn(found);
    } catch {
      // Not a Consul agent's answer: the name stays unknown.
    }
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
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
