import type { GrpcModule, Metadata, ServerInterceptingCall, ServerInterceptor, ServerListener } from '../grpc/grpc-js';
import { type AcceptRules, parseAcceptOptions, type ServerInterceptorOptions } from './accept';
import { keepBaggage } from './baggage';
import { addCallerLabels } from './caller-labels';
import { type ContextRunner, type IncomingContexts, MIRROR_KEY } from './incoming-labels';
import { ServedCall } from './served-call';

const OK = 0;
/** gRFC A6: a negative value asks the client not to try again. */
const PUSHBACK_KEY = 'grpc-retry-pushback-ms';

/**
 * An interceptor for `new grpc.Server({ interceptors })`. The handler and all events of a call's stream run in an async
 * context with the call's accepted labels. Calls made in that context end by the deadline of the served call, less
 * `deadlineMarginMs`, and are cancelled with it. When one of them was retried in vain and the served call fails, its
 * client is told not to retry: else retries would multiply over the layers of a system. Throws INVALID_OPTION.
 */
export function createServerInterceptor(
  grpc: GrpcModule,
  contexts: IncomingContexts,
  options: ServerInterceptorOptions,
): ServerInterceptor {
  const rules = parseAcceptOptions(options, 'serverInterceptor');
  class ScopedCall extends grpc.ServerInterceptingCall {
    readonly #next: ServerInterceptingCall;
    readonly #incoming: IncomingCall;

    constructor(method: string, next: ServerInterceptingCall) {
      super(next);
      this.#next = next;
      const served = new ServedCall(method, next.getDeadline(), rules.deadlineMarginMs);
      this.#incoming = new IncomingCall(rules, contexts, served, next);
    }

    // grpc-js' listener builder gives `onCancel` no way to run in a context.
    override start(listener: ServerListener): void {
      this.#next.start(this.#incoming.listener(listener));
    }

    // Called for the handler's status only. grpc-js calls `onCancel` for a cancelled call and for an answered one
    // alike.
    override sendStatus(status: Parameters<ServerInterceptingCall['sendStatus']>[0]): void {
      const { served } = this.#incoming;
      served.answered();
      if (status.code === OK || !served.isTriedOut) {
        super.sendStatus(status);
        return;
      }
      // A clone: the handler may use the metadata elsewhere.
      const metadata = status.metadata?.clone() ?? new grpc.Metadata();
      metadata.set(PUSHBACK_KEY, '-1');
      super.sendStatus({ ...status, metadata });
    }
  }
  return ({ path }, call) => new ScopedCall(path, call);
}

/** One incoming call. Its context exists from when its metadata has come. */
class IncomingCall {
  readonly served: ServedCall;
  readonly #rules: AcceptRules;
  readonly #contexts: IncomingContexts;
  readonly #call: ServerInterceptingCall;
  #runInContext: ContextRunner | undefined;

  constructor(rules: AcceptRules, contexts: IncomingContexts, served: ServedCall, call: ServerInterceptingCall) {
    this.#rules = rules;
    this.#contexts = contexts;
    this.#call = call;
    this.served = served;
  }

  run(fn: () => void): void {
    if (this.#runInContext === undefined) fn();
    else this.#runInContext(fn);
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
    const rules = this.#rules;
    const contexts = this.#contexts;
    const labels = contexts.incoming.read(rules, { values: (key) => metadata.get(key) }, contexts.usesBaggage);
    if (rules.caller !== undefined) {
      addCallerLabels(labels, rules.caller, {
        address: this.#call.getConnectionInfo().remoteAddress,
        forwardedFor: metadata.get('x-forwarded-for'),
        certificate: () => this.#call.getAuthContext().sslPeerCertificate,
      });
    }
    const isCopy = metadata.get(MIRROR_KEY).length > 0;
    strip(metadata, rules);
    if (contexts.usesBaggage) filterBaggage(metadata, rules);
    this.#runInContext = contexts.prepare(labels, this.served, isCopy);
  }
}

function strip(metadata: Metadata, rules: AcceptRules): void {
  if (rules.stripsNothing) return;
  for (const key of Object.keys(metadata.getMap())) if (rules.isStripped(key)) metadata.remove(key);
}

/** OpenTelemetry passes all baggage on: entries that were not accepted would become labels at the next server. */
function filterBaggage(metadata: Metadata, rules: AcceptRules): void {
  const kept = keepBaggage(metadata.get('baggage'), rules.keys);
  if (kept === undefined) metadata.remove('baggage');
  else metadata.set('baggage', kept);
}
