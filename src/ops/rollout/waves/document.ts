import type { RolloutDocument } from '../document';

/**
 * Rollouts that belong together, as people write them, JSON or YAML: of one service in several datacenters, of several
 * services, or both. Checked by `validateWaves()`.
 */
export interface WavesDocument {
  /** Address of the JSON Schema, for editors. Not read. */
  readonly $schema?: string;
  /** Version of this format. Always 1. */
  readonly schema: 1;
  /** Names the whole; part of its key in Consul. */
  readonly name: string;
  /** What the rollouts of all members have in common. */
  readonly rollout?: SharedRollout;
  /** In order; 1 to 50 of them. A wave begins when all members of the one before have reached their end. */
  readonly waves: readonly WaveDocument[];
  /** Milliseconds between the end of a wave and the next one, >= 0. Default 0. */
  readonly bakeMs?: number;
  /**
   * When a member is taken back, nothing more begins, and members under way are taken back as well. `stop` (default)
   * keeps the members that have reached their end, `take-back-all` takes back those too.
   */
  readonly onFailure?: 'stop' | 'take-back-all';
}

interface WaveDocument {
  /** They run at the same time; 1 to 50 in all waves together. */
  readonly members: readonly MemberDocument[];
  /** In place of the document's; not of the last wave. */
  readonly bakeMs?: number;
}

/** One rollout. Each service once in each datacenter. */
interface MemberDocument {
  /** Consul service name. */
  readonly service: string;
  /** Where its policy is. Default: the datacenter of the controller's agent. */
  readonly datacenter?: string;
  /** Fields that replace those that all members share. */
  readonly rollout?: SharedRollout;
}

/** A rollout without what says whose it is. */
type SharedRollout = Partial<Omit<RolloutDocument, '$schema' | 'schema' | 'service'>>;

/** Which member is meant. */
export type MemberKey = Pick<MemberDocument, 'service' | 'datacenter'>;

/** The rollout that a member has. Pure. */
export function rolloutOf({ rollout, waves }: WavesDocument, { service, datacenter }: MemberKey): RolloutDocument {
  const members = waves.flatMap((wave) => wave.members);
  const own = members.find((member) => member.service === service && member.datacenter === datacenter);
  return { ...rollout, ...own?.rollout, schema: 1, service } as RolloutDocument;
}

/** `payments in dc2`; the service alone in the datacenter of the agent. */
export function nameOfMember({ service, datacenter }: MemberKey): string {
  return datacenter === undefined ? service : `${service} in ${datacenter}`;
}
