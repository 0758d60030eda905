import type { ConsulClient } from '../consul/client';
import type { ConsulAnswer } from '../consul/request';
import type { ParsedInstance } from './instance-options';

/** What became of a request to the agent. */
export type AgentReply =
  /** `warning`: not all that was asked for. */
  | { readonly kind: 'done'; readonly warning?: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'failed'; readonly reason: string };

/** The agent is on this machine: what it has not answered by then, it will not. */
const TIME_LIMIT_MS = 2_000;

/** An agent refuses a registration with a field that it does not know. */
const NO_PORTS = /unknown field "?Ports/i;

/** One instance at its Consul agent. Raw calls, since npm `consul` drops `Weights` and `EnableTagOverride`. */
export class AgentRegistry {
  readonly #client: ConsulClient;
  readonly #instance: ParsedInstance;
  /** False once the agent has refused the named ports, as those before Consul 1.22 do. */
  #knowsPorts = true;

  constructor(client: ConsulClient, instance: ParsedInstance) {
    this.#client = client;
    this.#instance = instance;
  }

  /** Doing it twice changes nothing. */
  async register(): Promise<AgentReply> {
    const { check } = this.#instance;
    let reply = await this.#tell();
    if (this.#knowsPorts && reply.kind === 'failed' && NO_PORTS.test(reply.reason)) {
      this.#knowsPorts = false;
      const { port } = this.#instance;
      const warning = `the Consul agent knows no named ports (Consul 1.22 does); port ${port} alone is registered`;
      reply = withWarning(await this.#tell(), warning);
    }
    if (reply.kind !== 'done' || check.type !== 'ttl') return reply;
    // A check that was critical before a restart stays so until it reports.
    return withWarning(await this.confirm(), reply.warning);
  }

  async #tell(): Promise<AgentReply> {
    const body = JSON.stringify(registrationOf(this.#instance, this.#knowsPorts));
    return reading(await this.#put('/agent/service/register', body));
  }

  /** Reports the instance as well, or asks whether the agent knows it; `unknown` when it does not. */
  async confirm(): Promise<AgentReply> {
    const { id, check } = this.#instance;
    if (check.type === 'ttl') {
      const answer = await this.#put('/agent/check/pass/{id}', '', `service:${id}`);
      // 500 in older versions, 404 in newer ones.
      return isStatus(answer, 404, 500) ? { kind: 'unknown' } : reading(answer);
    }
    const answer = await this.#client.get({ path: '/agent/service/{id}', params: { id }, timeLimitMs: TIME_LIMIT_MS });
    return isStatus(answer, 404) ? { kind: 'unknown' } : reading(answer);
  }

  async deregister(): Promise<AgentReply> {
    const answer = await this.#put('/agent/service/deregister/{id}', '', this.#instance.id);
    const isGone = isStatus(answer, 404) || (answer.kind === 'failure' && /unknown service/i.test(answer.reason));
    return isGone ? { kind: 'unknown' } : reading(answer);
  }

  #put(path: string, body: string, id?: string): Promise<ConsulAnswer> {
    return this.#client.put({ path, body, ...(id && { params: { id } }), timeLimitMs: TIME_LIMIT_MS });
  }
}

function reading(answer: ConsulAnswer): AgentReply {
  return answer.kind === 'answer' ? { kind: 'done' } : { kind: 'failed', reason: answer.reason };
}

function isStatus(answer: ConsulAnswer, ...statuses: readonly number[]): boolean {
  return answer.status !== undefined && statuses.includes(answer.status);
}

function withWarning(reply: AgentReply, warning: string | undefined): AgentReply {
  return reply.kind === 'done' && warning !== undefined ? { ...reply, warning } : reply;
}

/** As JSON, which leaves out what is undefined. https://developer.hashicorp.com/consul/api-docs/agent/service#register-service */
function registrationOf(instance: ParsedInstance, knowsPorts: boolean): object {
  const { id, name, address, port, ports, tags, meta, weights, enableTagOverride } = instance;
  return {
    ID: id,
    Name: name,
    ...(ports === undefined || !knowsPorts ? { Port: port } : { Ports: portsOf(ports, port) }),
    Tags: tags,
    Meta: meta,
    Weights: { Passing: weights.passing, Warning: weights.warning },
    EnableTagOverride: enableTagOverride,
    Address: address,
    Check: checkOf(instance),
  };
}

function portsOf(ports: Readonly<Record<string, number>>, port: number): readonly object[] {
  const [standard] = Object.keys(ports).filter((name) => ports[name] === port);
  return Object.entries(ports).map(([Name, Port]) => ({ Name, Port, Default: Name === standard }));
}

function checkOf({ id, check, deregisterCriticalAfterMs: afterMs }: ParsedInstance): object | undefined {
  if (check.type === 'none') return undefined;
  const common = {
    CheckID: `service:${id}`,
    Name: `graylane ${check.type}`,
    // A server that registers itself is up; without this it would be critical until the first check.
    Status: 'passing',
    DeregisterCriticalServiceAfter: afterMs && `${afterMs}ms`,
  };
  if (check.type === 'ttl') return { ...common, TTL: `${check.ttlMs}ms` };
  const { target, service, useTls, intervalMs, timeoutMs } = check;
  const GRPC = service === '' ? target : `${target}/${service}`;
  return { ...common, GRPC, GRPCUseTLS: useTls, Interval: `${intervalMs}ms`, Timeout: `${timeoutMs}ms` };
}
