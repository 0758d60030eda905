import type { Metadata } from '../internal/grpc';
import type { Decision } from '../policy/plan';
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
    this.#trace?.noticeRevision(decisionOf(attempt.call), this.#service.revision);
    this.#trace?.attemptPicked(attempt, metadata);
  }

  attemptEnded(attempt: AttemptFacts, code: number, details: string): void {
    if (this.#isMeasured) this.#service.attemptEnded(attempt, code);
    this.#trace?.attemptEnded(attempt, code, details);
    const { subset, tier, endpoint } = attempt;
    this.#last = { subset, tier, datacenter: endpoint.datacenter, breaker: endpoint.breaker?.state ?? 'closed', code };
  }

  ended(code: number, details: string, durationMs: number, decision: Decision | undefined): void {
    const last = this.#last;
    this.#trace?.ended({ code, details, decision, revisionNow: this.#service.revision }, last);
    if (this.#isMeasured) this.#service.callEnded(this.#method, code, durationMs, decision, last?.subset);
  }
}
