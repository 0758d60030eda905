import { defined } from '../../base/defined';
import { isRecord } from '../../base/is-record';
import type { ConsulClient } from '../../consul/client';
import type { ConsulAnswer } from '../../consul/request';
import { inDatacenter } from '../../ops/store/kv';
import type { Plan } from '../../policy/plan';
import type { ConsulConnection, ConsulFlags } from '../consul/consul-connection';
import type { CommandIo } from '../io';

/**
 * The result of one check. `info` is neither good nor bad, or cannot be decided. Only `problem` makes the command fail.
 */
export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'info' | 'warning' | 'problem';
  readonly finding: string;
  /** What to do about it. */
  readonly next?: string;
}

export interface DoctorFlags extends ConsulFlags {
  /** Where copies of grpc-js are looked for. */
  readonly tree?: string;
  /** The tasks that the token is checked for: calls, changes of policies, or the controller of rollouts. */
  readonly role: 'reader' | 'writer' | 'controller';
  /** A file in place of the policy in Consul. */
  readonly policy?: string;
  readonly stateDirectory?: string;
  /** False under `--no-dial`: connects to no instance. */
  readonly dial: boolean;
  /** Clients use TLS. */
  readonly tls?: boolean;
}

/** One service in one datacenter. */
export interface Question {
  readonly service: string;
  /** Undefined: the agent's own. */
  readonly dc: string | undefined;
  readonly connection: ConsulConnection;
  readonly env: CommandIo['env'];
  readonly flags: DoctorFlags;
}

/** {@link Question} with what clients go by. */
export interface PlannedQuestion extends Question {
  readonly plan: Plan;
}

export const TIME_LIMIT_MS = 5_000;

/** Asks Consul, in a datacenter other than the agent's own where one is named. */
export function ask(
  client: ConsulClient,
  dc: string | undefined,
  path: string,
  params: Readonly<Record<string, string>> = {},
  query: Readonly<Record<string, string>> = {},
): Promise<ConsulAnswer> {
  return client.get({ path, params, query: { ...query, ...inDatacenter(dc) }, timeLimitMs: TIME_LIMIT_MS });
}

/** The body of an answer as JSON; undefined where Consul does not say, or says something else. */
export function bodyOf(answer: ConsulAnswer): Readonly<Record<string, unknown>> | undefined {
  if (answer.kind === 'failure') return undefined;
  try {
    const body: unknown = JSON.parse(answer.body.toString('utf8'));
    return isRecord(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

type Bad = (check: string, finding: string, next: string) => Finding;
export const ok = (check: string, finding: string): Finding => ({ check, state: 'ok', finding });
export const info = (check: string, finding: string, next?: string): Finding => {
  return { check, state: 'info', finding, ...defined({ next }) };
};
export const warning: Bad = (check, finding, next) => ({ check, state: 'warning', finding, next });
export const problem: Bad = (check, finding, next) => ({ check, state: 'problem', finding, next });
