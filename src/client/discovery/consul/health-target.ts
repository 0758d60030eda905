import { peerPlace } from '../../../base/instances';
import type { Runtime } from '../../../base/runtime';
import type { AgentDatacenter } from '../../../consul/agent-self';
import type { ConsulClient } from '../../../consul/client';
import type { AnswerRules } from '../../../consul/health-answer';
import { DEFAULT_DATACENTER } from '../listed-services';
import type { Protection } from '../protection';
import type { Outages } from './trouble-log';

/** What one loop asks about. */
export interface HealthTarget {
  readonly service: string;
  readonly tags: readonly string[];
  /** Undefined: the agent's own, whatever its name. */
  readonly datacenter: string | undefined;
  /** Listed as the local one: asked for without `dc` as long as that proves right. */
  readonly local: boolean;
  /** The port that is dialled, of services with several. */
  readonly port?: string | undefined;
  /** Namespace, partition or peer, as query parameters. */
  readonly scope?: Readonly<Record<string, string>> | undefined;
}

/** What its answers are read by. */
export function answerRules({ port, scope }: HealthTarget): AnswerRules {
  return { port, peer: scope?.['peer'] };
}

/** Where the instances of a target are, as states, lists and logs name the place. */
export function placeOf({ datacenter, scope }: Pick<HealthTarget, 'datacenter' | 'scope'>, agent?: string): string {
  const peer = scope?.['peer'];
  return peer === undefined ? (datacenter ?? agent ?? DEFAULT_DATACENTER) : peerPlace(peer);
}

/** What every loop of a source works with. */
export interface ConsulDeps extends Runtime {
  readonly client: ConsulClient;
  readonly agent: AgentDatacenter;
  readonly protection: Protection;
  readonly outages: Outages;
}
