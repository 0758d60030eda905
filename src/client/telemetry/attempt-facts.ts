import type { Decision } from '../../policy/plan';
import type { BreakerState } from '../breaker/view';

/** What telemetry reads of an attempt, during the callback only: attempts are reused. */
export interface AttemptFacts {
  readonly call: CallFacts;
  readonly endpoint: {
    readonly address: string;
    readonly port: number;
    readonly datacenter: string;
    readonly instance: { readonly id: string; readonly zone: string | undefined };
    readonly breaker: { readonly state: BreakerState } | undefined;
  };
  readonly subset: string;
  /** 0 is the tier that the decision wanted. */
  readonly tier: number;
  /** Nobody was fit to serve, so anybody serves. */
  readonly isPanic: boolean;
}

export interface CallFacts {
  readonly method: string;
  readonly decision: Decision | undefined;
  readonly sticky: boolean;
  /** The pool that breakers closed to this pick. */
  readonly rejectedAt: { readonly subset: string; readonly datacenter: string } | undefined;
}

/** The decision of a call that has been picked for: there always is one. */
export function decisionOf(call: CallFacts): Decision {
  if (call.decision === undefined) throw new Error('the call is not decided yet');
  return call.decision;
}
