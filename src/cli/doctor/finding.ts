import type { Plan } from '../../policy/plan';
import type { ConsulConnection } from '../consul/consul-connection';
import type { CommandIo } from '../io';

/**
 * One thing that was looked at. `info`: neither good nor bad, or it cannot be told. Only `problem` fails the command.
 */
export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'info' | 'warning' | 'problem';
  readonly finding: string;
  /** What to do about it. */
  readonly next?: string;
}

/** Whose token is looked at: of clients, of those who write policies, of a controller of rollouts. */
export type Role = 'reader' | 'writer' | 'controller';

/** One service in one datacenter. */
export interface Question {
  readonly service: string;
  /** Undefined: the agent's own. */
  readonly dc: string | undefined;
  readonly connection: ConsulConnection;
  readonly env: CommandIo['env'];
  readonly role: Role;
  /** A file in place of the policy in Consul. */
  readonly policyFile: string | undefined;
  /** Connects to instances, to hear what they speak. */
  readonly isDialling: boolean;
  /** Clients use TLS. */
  readonly isTls: boolean;
}

/** {@link Question} with what clients go by. */
export interface PlannedQuestion extends Question {
  readonly plan: Plan;
}

export const TIME_LIMIT_MS = 5_000;
