import type { Decision } from '../../policy/plan';
import type { Metadata } from '../grpc/grpc-js';
import { type AttemptFacts, decisionOf } from './attempt-facts';
import type { CallTrace, ServedBy } from './call-trace';
import type { ServiceTelemetry } from './service-telemetry';

/** One call of which somebody records spans, metrics or both. Told by the channel and the balancer; nothing here throws. */
export class ObservedCall {
  readonly #service: ServiceTelemetry;
  readonly #method: string;
  readonly #trace: CallTrace | undefined;
  readonly #isMeasured: boolean;
  #last: (ServedBy & { readonly code: number }) | undefined;

  constructor(service: ServiceTelemetry, method: string, trace: CallTrace | undefined, isMeasured: boolean) {
    this.#service = service;
    this.#method = method;
    this.#trace = trace;
    this.#isMeasured = isMeasured;
  }

  attemptPicked(attempt: AttemptFacts, metadata: Metadata): void {
    if (this.#isMeasured) this.#service.attemptPicked(attempt);
    const trace = this.#trace;
    if (trace === undefined) return;
    safely(() => {
      trace.noticeRevision(decisionOf(attempt.call), this.#service.revision);
      trace.attemptPicked(attempt, metadata);
    });
  }

  attemptEnded(attempt: AttemptFacts, code: number, details: string): void {
    if (this.#isMeasured) this.#service.attemptEnded(attempt, code);
    const trace = this.#trace;
    if (trace !== undefined) safely(() => trace.attemptEnded(attempt, code, details));
    const { subset, tier, endpoint } = attempt;
    this.#last = { subset, tier, datacenter: endpoint.datacenter, breaker: endpoint.breaker?.state ?? 'closed', code };
  }

  ended(code: number, details: string, durationMs: number, decision: Decision | undefined): void {
    const last = this.#last;
    const trace = this.#trace;
    const revisionNow = this.#service.revision;
    if (trace !== undefined) safely(() => trace.ended({ code, details, decision, revisionNow }, last));
    if (this.#isMeasured) this.#service.callEnded(this.#method, code, durationMs, decision, last?.subset);
  }
}

/** What a span processor of the user throws breaks no call. */
function safely(tell: () => void): void {
  try {
    tell();
  } catch {
    // The span is lost; there is nobody to tell.
  }
}
