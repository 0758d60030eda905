import { Metadata } from '@grpc/grpc-js';
import { GraylaneError } from '../../base/errors';
import { STATUS_NAMES, statusCodeOf } from '../../base/status-names';
import type { StatusName } from '../../policy/document';
import type { AttemptView } from '../grpc/call-state';
import type { SubchannelCall, SubchannelCallListener } from '../grpc/grpc-js';

/** What attempts at a subset end with, instead of reaching it. */
export interface InjectedFailure {
  /** Default UNAVAILABLE. */
  readonly code?: StatusName;
  /** How many attempts, retries included; after them the subset is well again. Default: until it is ended. */
  readonly times?: number;
  /** Real milliseconds before the status comes, >= 0. Default 0. */
  readonly delayMs?: number;
}

/** Ends an injected failure, if its `times` are not used up. Idempotent. */
export type EndFailure = () => void;

interface Fault {
  readonly service: string;
  readonly subset: string;
  readonly code: number;
  readonly delayMs: number;
  left: number;
}

/** Stands in for the network of a test client: attempts at a subset that is told to fail end there, and the rest goes through. */
export class InjectedFaults {
  #faults: readonly Fault[] = [];

  add(
    service: string,
    subset: string,
    { code = 'UNAVAILABLE', times = Number.POSITIVE_INFINITY, delayMs = 0 }: InjectedFailure,
  ): EndFailure {
    const number = statusCodeOf(code);
    const problems: string[] = [];
    if (number === undefined) problems.push(`code: ${code} (expected: ${STATUS_NAMES.join(', ')})`);
    if (!(times >= 1)) problems.push(`times: ${times} (expected: >= 1)`);
    if (!(delayMs >= 0 && delayMs <= 2_147_483_647)) problems.push(`delayMs: ${delayMs} (expected: >= 0)`);
    if (number === undefined || problems.length > 0) throw new GraylaneError('INVALID_OPTION', problems.join('\n'));
    const fault: Fault = { service, subset, code: number, delayMs, left: times };
    this.#faults = [...this.#faults, fault];
    return () => {
      this.#faults = this.#faults.filter((each) => each !== fault);
    };
  }

  intercept(attempt: AttemptView, listener: SubchannelCallListener): SubchannelCall | undefined {
    const service = attempt.call.decision?.plan.service;
    const fault = this.#faults.find(
      (each) => each.service === service && each.subset === attempt.subset && each.left > 0,
    );
    if (fault === undefined) return undefined;
    fault.left -= 1;
    return failingCall(fault, listener);
  }
}

function failingCall({ subset, code, delayMs }: Fault, listener: SubchannelCallListener): SubchannelCall {
  let isOver = false;
  const end = (status: number, details: string): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    listener.onReceiveStatus({ code: status, details, metadata: new Metadata() });
  };
  const timer = setTimeout(() => end(code, `${subset} was told to fail by the test`), delayMs);
  return {
    // A turn later, as a transport does.
    cancelWithStatus: (status, details) => void setImmediate(() => end(status, details)),
    getPeer: () => `failing ${subset}`,
    sendMessageWithContext: (context) => void setImmediate(() => context.callback?.()),
    startRead() {},
    halfClose() {},
    getCallNumber: () => 0,
    getDeadlineInfo: () => [],
    getAuthContext: () => ({}),
  };
}
