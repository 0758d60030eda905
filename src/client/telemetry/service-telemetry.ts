import { type Attributes, type Context, context } from '@opentelemetry/api';
import type { Decision } from '../../policy/plan';
import type { Metadata } from '../grpc/grpc-js';
import { type AttemptFacts, decisionOf } from './attempt-facts';
import * as names from './attributes';
import { CallTrace } from './call-trace';
import type { ClientTelemetry } from './client-telemetry';
import { Counts } from './counts';
import { type DurationKey, Durations } from './durations';
import { ObservedCall } from './observed-call';
import { Sampler } from './sampler';
import { statusText } from './status';

/** Methods that get a name of their own in metrics; the rest share one. A service has few, a proxy may see any. */
const MOST_METHODS = 200;
const OTHER_METHOD = '_OTHER';

/**
 * What is observed of one service in one client. Also hears of the attempts of calls that did not come through a channel of
 * the Graylane client, and counts them.
 */
export class ServiceTelemetry {
  /** As metrics name it: `payments`, or `payments?dc=dc2`. */
  readonly service: string;
  /** As callers know it: `payments`. */
  readonly address: string;
  readonly counts: Counts = new Counts();
  readonly durations: Durations = new Durations(
    () => this.#client.instruments,
    (key) => this.#labelsOf(key),
  );
  /** Revision of the plan in force. Set by the service. */
  revision: string | undefined;
  /** The zone of this client. Set by the service; undefined: not known, so that nothing is told of zones. */
  zone: string | undefined;
  readonly #client: ClientTelemetry;
  readonly #methods = new Map<string, string>();

  constructor(client: ClientTelemetry, service: string) {
    this.#client = client;
    this.service = service;
    this.address = service.split('?', 1)[0] ?? service;
  }

  /** The caller's context, asked for in its own turn; undefined when no spans are wanted. */
  callerContext(): Context | undefined {
    return this.#client.tracer === undefined ? undefined : context.active();
  }

  /**
   * A call starts. Undefined when nobody records anything of it. `parent` is the caller's context; `metadata` the call's own
   * clone.
   */
  begin(method: string, parent: Context | undefined, metadata: Metadata): ObservedCall | undefined {
    const { tracer } = this.#client;
    const trace =
      tracer === undefined || parent === undefined
        ? undefined
        : CallTrace.begin(tracer, this.address, method, parent, metadata);
    const isMeasured = this.#client.isMeasuring();
    return trace === undefined && !isMeasured ? undefined : new ObservedCall(this, method, trace, isMeasured);
  }

  /** Whether anything is to be heard of attempts outside of observed calls. */
  get isMeasuring(): boolean {
    return this.#client.isMeasuring();
  }

  attemptPicked(attempt: AttemptFacts): void {
    const row = this.#rowOf(attempt);
    row.picks += 1;
    if (attempt.isPanic) row.panics += 1;
    if (this.zone === undefined) return;
    const { zone } = attempt.endpoint.instance;
    row[zone === undefined ? 'inNoZone' : zone === this.zone ? 'inOwnZone' : 'inOtherZones'] += 1;
  }

  attemptEnded(attempt: AttemptFacts, code: number): void {
    const { ended } = this.#rowOf(attempt);
    const known = code >= 0 && code < ended.length ? code : 2;
    ended[known] = (ended[known] ?? 0) + 1;
  }

  callEnded(method: string, code: number, durationMs: number, decision: Decision | undefined, servedBy?: string): void {
    this.durations.record(
      {
        method: this.#methodLabel(method),
        code,
        route: decision?.route,
        subset: decision?.destination.subset,
        servedBy,
      },
      durationMs / 1000,
    );
  }

  /** One in so many decisions and picks is measured; both are far below a microsecond's noise otherwise. */
  readonly decisions: Sampler = new Sampler((ms) =>
    this.#client.instruments?.decisionDuration.record(ms / 1000, { [names.SERVICE]: this.service }),
  );
  readonly picks: Sampler = new Sampler((ms) =>
    this.#client.instruments?.pickDuration.record(ms / 1000, { [names.SERVICE]: this.service }),
  );

  #labelsOf({ method, code, route, subset, servedBy }: DurationKey): Attributes {
    const status = statusText(code);
    return {
      [names.RPC_SYSTEM]: 'grpc',
      [names.RPC_METHOD]: method,
      [names.RPC_STATUS]: status,
      [names.SERVER_ADDRESS]: this.address,
      ...(code === 0 ? {} : { [names.ERROR_TYPE]: status }),
      ...(route === undefined ? {} : { [names.ROUTE]: route }),
      ...(subset === undefined ? {} : { [names.SUBSET]: subset }),
      ...(servedBy === undefined ? {} : { [names.SERVED_BY]: servedBy }),
    };
  }

  #rowOf({ call, endpoint, subset, tier }: AttemptFacts): ReturnType<Counts['row']> {
    return this.counts.row(decisionOf(call).destination.subset, subset, endpoint.datacenter, tier);
  }

  #methodLabel(method: string): string {
    let label = this.#methods.get(method);
    if (label === undefined) {
      if (this.#methods.size >= MOST_METHODS) return OTHER_METHOD;
      label = method.slice(1);
      this.#methods.set(method, label);
    }
    return label;
  }
}
