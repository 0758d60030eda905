import { defined } from '../../base/defined';
import type { Logger } from '../../base/logger';
import type { Plan, PolicyProblem } from '../../policy/plan';
import { locateProblem, PolicyError } from '../../policy/policy-error';
import type { PolicyCompiler, PolicyReading } from '../../policy/policy-reading';

/** Whether policies carry calls, or are only watched deciding. */
export type ClientMode = 'route' | 'observe';

/** A revision that was refused; the plan in force stays. */
interface RejectedPolicy {
  readonly problems: readonly PolicyProblem[];
  readonly index: string | undefined;
  /** Where its text stands: a path, a key of Consul. */
  readonly place: string | undefined;
  /** ID of the candidate that it is. */
  readonly candidate?: string | undefined;
}

/**
 * What is known of a service's policy. `plan` is the last good one; `undefined` means that nothing was read yet, which
 * is not the same as a plan without a policy.
 */
export interface PolicyState {
  readonly plan: Plan | undefined;
  /** The last revision read was refused. */
  readonly rejected: RejectedPolicy | undefined;
  /** The last attempt to read failed. */
  readonly failure: string | undefined;
  /** The document was deleted after it had been in force; the last plan stays. */
  readonly isOrphaned: boolean;
  /** `requirePolicy` is set and there is none. */
  readonly isMissing: boolean;
  /** ID of the candidate that `plan` is of; undefined: it is of the stored policy. */
  readonly candidate?: string | undefined;
}

export const UNREAD: PolicyState = {
  plan: undefined,
  rejected: undefined,
  failure: undefined,
  isOrphaned: false,
  isMissing: false,
};

export interface PolicyRules {
  readonly compile: PolicyCompiler;
  /** The plan of a service that has no policy. */
  readonly withoutPolicy: Plan;
  readonly requirePolicy: boolean;
  /** Policies are watched deciding; calls go as under `withoutPolicy`. */
  readonly isObserving: boolean;
}

/** The next state after a reading. Pure; a bad revision or a failed read never changes the plan in force. */
export function nextPolicyState(state: PolicyState, reading: PolicyReading, rules: PolicyRules): PolicyState {
  if (reading.kind === 'error') return { ...state, failure: reading.reason };
  if (reading.kind === 'absent') {
    const hadPolicy = state.plan !== undefined && state.plan.origin !== 'none';
    if (hadPolicy) return { ...state, failure: undefined, rejected: undefined, isOrphaned: true };
    return { ...UNREAD, plan: rules.withoutPolicy, isMissing: rules.requirePolicy };
  }
  try {
    const plan = rules.compile(reading);
    const { candidate } = reading;
    return { ...UNREAD, plan, isMissing: plan.origin === 'none' && rules.requirePolicy, ...defined({ candidate }) };
  } catch (error) {
    const problems =
      error instanceof PolicyError
        ? error.problems
        : [{ path: '', message: `the policy cannot be compiled: ${String(error)}` }];
    const { index, place, candidate } = reading;
    return { ...state, failure: undefined, rejected: { problems, index, place, ...defined({ candidate }) } };
  }
}

/**
 * Where the newest was refused and nothing else is in force, what an earlier process went by is the last good one.
 * `lastKnownGood`: its plan.
 */
export function orLastKnownGood(state: PolicyState, lastKnownGood: Plan | undefined): PolicyState {
  const isStopped = state.plan === undefined && state.rejected !== undefined && lastKnownGood !== undefined;
  return isStopped ? { ...state, plan: lastKnownGood } : state;
}

/** Why no policy of the service is known: `payments: policy not known (HTTP 403)`; undefined where one is in force. */
export function pendingPolicy(service: string, { plan, rejected, failure }: PolicyState): string | undefined {
  if (plan !== undefined) return undefined;
  const [problem] = rejected?.problems ?? [];
  if (problem === undefined) return `${service}: policy not known (${failure ?? 'no answer yet'})`;
  return `${service}: no policy is in force (refused: ${locateProblem(rejected?.place, problem)})`;
}

/** Says once what changed between two states of a service's policy. */
export function reportPolicyChange(
  logger: Logger,
  service: string,
  former: PolicyState,
  next: PolicyState,
  isObserving: boolean,
): void {
  const { plan, rejected, failure, isOrphaned } = next;
  if (plan !== undefined && plan !== former.plan) {
    logger.info('policy applied', { service, revision: plan.revision, index: plan.index, candidate: next.candidate });
    const told = new Set(former.plan?.warnings.map((warning) => warning.message));
    const news = plan.warnings.filter(({ message }) => !told.has(message));
    for (const { message } of news) {
      if (message.startsWith('override.')) logger.warn('an override is not applied', { service, problem: message });
    }
    if (plan.origin === 'chain' && news.length > 0) {
      const fields = news.map((warning) => warning.message).join(' | ');
      logger.warn('config entries hold what cannot be honoured', { service, fields });
    }
  }
  if (rejected !== undefined && rejected !== former.rejected) {
    const problems = rejected.problems.map((problem) => locateProblem(rejected.place, problem)).join(' | ');
    const meanwhile = isObserving ? 'calls go as without one' : 'calls wait, up to their deadlines, for a good one';
    const message =
      plan === undefined
        ? `policy rejected, and none is in force: ${meanwhile}`
        : 'policy rejected, the running one stays';
    logger.error(message, { service, index: rejected.index, problems });
  }
  if (failure !== undefined && former.failure === undefined) {
    const isHolding = plan === undefined && !isObserving;
    const meanwhile = isHolding ? 'none is known: calls wait, up to their deadlines' : 'the last known stays';
    logger.warn(`policy cannot be read, ${meanwhile}`, { service, reason: failure });
  }
  if (isOrphaned && !former.isOrphaned) {
    logger.warn('policy was deleted, the last one stays in force until a tombstone is written', { service });
  }
}
