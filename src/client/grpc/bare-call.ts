import type { Service } from '../state/service';
import { CallState } from './call-state';
import { mirrorsOf } from './mirror/mirrors';

/** A call through grpc-js' own channel, by a bare target. Nothing of Graylane sees its messages. */
export class BareCall extends CallState {
  readonly #service: Service;

  constructor(method: string, service: Service) {
    super(method, undefined, undefined, service.bareObserver);
    this.#service = service;
  }

  override decided(): void {
    if (this.decision?.mirror === undefined) return;
    const reason = "they do not go through the Graylane client's channel; pass graylane.clientOptions() to the client";
    mirrorsOf(this.#service).tellNotMirrored(this.decision.route, reason, this.method);
  }
}
