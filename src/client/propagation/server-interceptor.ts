import type { GrpcModule, Metadata, ServerInterceptingCall, ServerInterceptor, ServerListener } from '../grpc/grpc-js';
import type { AcceptRules } from './accept';
import type { Ambient, Runner } from './ambient';
import { keepBaggage } from './baggage';
import type { LabelIntake } from './intake';
import { ServedCall } from './served-call';

export interface Entrance {
  readonly rules: AcceptRules;
  readonly intake: LabelIntake;
  readonly ambient: Ambient;
}

const OK = 0;
/** gRFC A6: a negative value asks the client not to try again. */
const PUSHBACK_KEY = 'grpc-retry-pushback-ms';

/**
 * An interceptor for `new grpc.Server({ interceptors })`: whatever grpc-js calls for a call runs in the async context of
 * that call's accepted labels, be it the handler or an event of its stream. What is called in that context is held to the
 * deadline of the call, less `deadlineMarginMs`, and cancelled with it. A call that fails after one of those was tried again in
 * vain tells its client not to try it again: else tries would multiply over the layers of a system.
 */
export function createServerInterceptor(
  grpc: GrpcModule,
  entrance: Entrance,
  deadlineMarginMs: number,
): ServerInterceptor {
  class ScopedCall extends grpc.ServerInterceptingCall {
    readonly #next: ServerInterceptingCall;
    readonly #way: CallEntrance;

    constructor(method: string, next: ServerInterceptingCall) {
      super(next);
      this.#next = next;
      this.#way = new CallEntrance(entrance, new ServedCall(method, next.getDeadline(), deadlineMarginMs));
    }

    // What grpc-js offers instead of this leaves `onCancel` no way to run the rest in a context.
    override start(listener: ServerListener): void {
      this.#next.start(this.#way.listener(listener));
    }

    // The handler's own. grpc-js tells of a cancelled call and of one that was answered by the same `onCancel`.
    override sendStatus(status: Parameters<ServerInterceptingCall['sendStatus']>[0]): void {
      const { served } = this.#way;
      served.answered();
      if (status.code === OK || !served.isTriedOut) {
        super.sendStatus(status);
        return;
      }
      // The handler may have been given this metadata by somebody else.
      const metadata = status.metadata?.clone() ?? new grpc.Metadata();
      metadata.set(PUSHBACK_KEY, '-1');
      super.sendStatus({ ...status, metadata });
    }
  }
  return ({ path }, call) => new ScopedCall(path, call);
}

/** The way in of one call. Until its metadata has come there is nothing to accept, and nobody to run. */
class CallEntrance {
  readonly served: ServedCall;
  readonly #entrance: Entrance;
  #runner: Runner | undefined;

  constructor(entrance: Entrance, served: ServedCall) {
    this.#entrance = entrance;
    this.served = served;
  }

  run(fn: () => void): void {
    if (this.#runner === undefined) fn();
    else this.#runner(fn);
  }

  listener(inner: ServerListener): ServerListener {
    return {
      onReceiveMetadata: (metadata) => {
        this.#accept(metadata);
        this.run(() => inner.onReceiveMetadata(metadata));
      },
      onReceiveMessage: (message) => this.run(() => inner.onReceiveMessage(message)),
      onReceiveHalfClose: () => this.run(() => inner.onReceiveHalfClose()),
      onCancel: () => {
        this.served.cancelled();
        this.run(() => inner.onCancel());
      },
    };
  }

  #accept(metadata: Metadata): void {
    const { rules, intake, ambient } = this.#entrance;
    const labels = intake.take(rules, { values: (key) => metadata.get(key) }, ambient.usesBaggage);
    strip(metadata, rules);
    if (ambient.usesBaggage) filterBaggage(metadata, rules);
    this.#runner = ambient.prepare(labels, this.served);
  }
}

function strip(metadata: Metadata, rules: AcceptRules): void {
  if (rules.stripsNothing) return;
  for (const key of Object.keys(metadata.getMap())) if (rules.isStripped(key)) metadata.remove(key);
}

/** OpenTelemetry passes baggage on whole: what was not accepted would come back as a label at the next server. */
function filterBaggage(metadata: Metadata, rules: AcceptRules): void {
  const kept = keepBaggage(metadata.get('baggage'), rules.keys);
  if (kept === undefined) metadata.remove('baggage');
  else metadata.set('baggage', kept);
}
