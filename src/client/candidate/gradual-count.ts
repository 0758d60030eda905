import type { Candidate } from '../../base/candidate';
import type { CandidateReport } from '../../base/candidate-report';
import { STATUS_NAMES } from '../../base/status-names';
import { decidingPlan } from '../../policy/membership/snapshot';
import type { Decision, Plan } from '../../policy/plan';
import { locateProblem } from '../../policy/policy-error';
import { revisionOf } from '../../policy/revision';
import type { CallState } from '../grpc/call-state';
import type { DecisionEvents } from '../grpc/decision-events';
import type { Service } from '../state/service';
import type { CandidateCount } from './candidate-count';

/** What a policy can be the cause of; other codes are the application's answers, or the caller's own. */
const BAD: ReadonlySet<number> = new Set(
  (
    [
      'UNKNOWN',
      'DEADLINE_EXCEEDED',
      'RESOURCE_EXHAUSTED',
      'UNIMPLEMENTED',
      'INTERNAL',
      'UNAVAILABLE',
      'DATA_LOSS',
    ] as const
  ).map((name) => STATUS_NAMES.indexOf(name) + 1),
);

class Side {
  calls = 0;
  failures = 0;

  readonly ended = (code: number): void => {
    this.calls += 1;
    if (BAD.has(code)) this.failures += 1;
  };
}

/**
 * Counts the calls of one service by their end: those decided under the candidate, and those decided under the policy
 * that it is to replace. Whole calls, since a policy may leave a call without any attempt.
 */
export class GradualCount implements CandidateCount {
  readonly isUnfinished = false;
  readonly #service: Service;
  readonly #id: string;
  readonly #revision: string;
  readonly #under = { candidate: new Side(), former: new Side() };
  readonly #stop: () => void;

  constructor(service: Service, { id, document }: Candidate, decisions: DecisionEvents) {
    this.#service = service;
    this.#id = id;
    this.#revision = revisionOf(document);
    this.#stop = decisions.observe((decision, call) => this.#decided(decision, call));
  }

  report(): Pick<CandidateReport, 'state' | 'reason' | 'gradual'> {
    const { candidate, former } = this.#under;
    const counts = ({ calls, failures }: Side) => ({ calls, failures });
    const isInForce = this.#plan?.revision === this.#revision;
    return {
      ...this.#state(isInForce),
      gradual: { isInForce, under: { candidate: counts(candidate), former: counts(former) } },
    };
  }

  reported(): void {}

  stop(): void {
    this.#stop();
  }

  get #plan(): Plan | undefined {
    const { snapshot } = this.#service;
    return snapshot && decidingPlan(snapshot);
  }

  #decided({ plan }: Decision, call: CallState): void {
    if (plan !== this.#plan) return;
    const side = plan.revision === this.#revision ? this.#under.candidate : this.#under.former;
    call.onEnd = side.ended;
  }

  #state(isInForce: boolean): Pick<CandidateReport, 'state' | 'reason'> {
    const { candidate, plan, rejected } = this.#service.policyState;
    if (plan?.origin === 'inline' || plan?.origin === 'file') return { state: 'apart' };
    const [problem] = rejected?.problems ?? [];
    // Only what is refused while the candidate is what is read: it has no place, since it is in no key of its own.
    if (problem !== undefined && rejected?.candidate === this.#id) {
      return { state: 'refused', reason: locateProblem(undefined, problem) };
    }
    const isWaiting = candidate === this.#id && !isInForce;
    return isWaiting ? { state: 'waiting', reason: this.#service.pendingReason() } : { state: 'counting' };
  }
}
