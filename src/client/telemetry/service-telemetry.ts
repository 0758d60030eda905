import { type Attributes, type Context, context, type SpanContext, type Tracer } from '@opentelemetry/api';
import { boundedSubset } from '../../policy/lanes/lane-plan';
import type { Decision } from '../../policy/plan';
import type { Metadata } from '../grpc/grpc-js';
import * as names from './attributes';
import { statusText } from './attributes';
import { type AttemptView, CallTrace, decisionOf, type ServedBy } from './call-trace';
import type { ClientTelemetry } from './client-telemetry';
import { Counts } from './counts';
import { type DurationKey, Durations } from './durations';
import type { Collected } from './meter-hub';

/** Methods with a name of their own in metrics; the rest share one. A service has few, a proxy may see any number. */
const MOST_METHODS = 200;
const OTHER_METHOD = '_OTHER';
const SAMPLE_EVERY = 256;

/** What telemetry asks of a service that it cannot count itself. */
export interface ObservedService {
  retriesRefused(): number;
  readonly observe: Collected['observe'];
}

/**
 * The telemetry of one service in one client. Attempts of calls that did not come through a channel of the client are
 * counted too.
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
  /** The zone of this client. Set by the service; undefined: not known, and zones are not counted. */
  zone: string | undefined;
  readonly #client: ClientTelemetry;
  readonly #methods = new Map<string, string>();
  /** One in so many decisions and picks is timed: reading the clock each time would cost more than they do. */
  readonly decisions: Sampler = new Sampler((ms) =>
    this.#client.instruments?.decisionDuration.record(ms / 1000, { [names.SERVICE]: this.service }),
  );
  readonly picks: Sampler = new Sampler((ms) =>
    this.#client.instruments?.pickDuration.record(ms / 1000, { [names.SERVICE]: this.service }),
  );

  /** `name` tells the services of a client apart. `service` is asked at each collection. */
  constructor(client: ClientTelemetry, name: string, service: ObservedService) {
    this.#client = client;
    this.service = name;
    this.address = name.split('?', 1)[0] ?? name;
    const flush = (): void => {
      this.durations.flush();
      this.counts.retriesRefused = service.retriesRefused();
    };
    client.collect({ service: name, counts: this.counts, flush, observe: service.observe });
  }

  /** The caller's context, which must be read in the caller's turn; undefined when no spans are wanted. */
  callerContext(): Context | undefined {
    return this.#client.tracer === undefined ? undefined : context.active();
  }

  /**
   * A call starts. Undefined when nothing of it is recorded. `parent`: the caller's context; `metadata`: the call's own
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

  /** Whether attempts outside of observed calls are counted. */
  get isMeasuring(): boolean {
    return this.#client.isMeasuring();
  }

  /** Undefined while no spans are wanted. */
  get tracer(): Tracer | undefined {
    return this.#client.tracer;
  }

  /** A copy of a call has ended. */
  copyTook(labels: Attributes, durationMs: number): void {
    if (!this.#client.isMeasuring()) return;
    this.#client.instruments?.mirrorDuration.record(durationMs / 1000, { [names.SERVICE]: this.service, ...labels });
  }

  attemptPicked(attempt: AttemptView): void {
    const row = this.#rowOf(attempt);
    row.picks += 1;
    if (attempt.isPanic) row.panics += 1;
    if (this.zone === undefined) return;
    const { zone } = attempt.endpoint.instance;
    row[zone === undefined ? 'inNoZone' : zone === this.zone ? 'inOwnZone' : 'inOtherZones'] += 1;
  }

  attemptEnded(attempt: AttemptView, code: number): void {
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
        subset: decision && metricSubset(decision, decision.destination.subset),
        servedBy: servedBy && decision && metricSubset(decision, servedBy),
      },
      durationMs / 1000,
    );
  }

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

  #rowOf({ call, endpoint, subset, tier }: AttemptView): ReturnType<Counts['row']> {
    const decision = decisionOf(call);
    const wanted = metricSubset(decision, decision.destination.subset);
    return this.counts.row(wanted, metricSubset(decision, subset), endpoint.datacenter, tier);
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

/** How metrics call a subset: all lanes are one. */
function metricSubset({ plan }: Decision, subset: string): string {
  return plan.lanes === undefined ? subset : boundedSubset(subset);
}

/**
 * One call of which spans, metrics or both are recorded. Called by the channel and the balancer; nothing here throws.
 */
export class ObservedCall {
  readonly #service: ServiceTelemetry;
  readonly #method: string;
  readonly #trace: CallTrace | undefined;
  readonly #isMeasured: boolean;
  #last: ServedBy | undefined;

  constructor(service: ServiceTelemetry, method: string, trace: CallTrace | undefined, isMeasured: boolean) {
    this.#service = service;
    this.#method = method;
    this.#trace = trace;
    this.#isMeasured = isMeasured;
  }

  /** Of the call's span; undefined: none is recorded. */
  get spanContext(): SpanContext | undefined {
    return this.#trace?.spanContext;
  }

  attemptPicked(attempt: AttemptView, metadata: Metadata): void {
    if (this.#isMeasured) this.#service.attemptPicked(attempt);
    const trace = this.#trace;
    if (trace === undefined) return;
    safely(() => {
      trace.noticeRevision(decisionOf(attempt.call), this.#service.revision);
      trace.attemptPicked(attempt, metadata);
    });
  }

  attemptEnded(attempt: AttemptView, code: number, details: string): void {
    if (this.#isMeasured) this.#service.attemptEnded(attempt, code);
    const trace = this.#trace;
    if (trace !== undefined) safely(() => trace.attemptEnded(attempt, code, details));
    const { subset, tier, endpoint } = attempt;
    this.#last = { subset, tier, datacenter: endpoint.datacenter, breaker: endpoint.breaker?.state ?? 'closed' };
  }

  ended(code: number, details: string, durationMs: number, decision: Decision | undefined): void {
    const last = this.#last;
    const trace = this.#trace;
    const revisionNow = this.#service.revision;
    if (trace !== undefined) safely(() => trace.ended({ code, details, decision, revisionNow }, last));
    if (this.#isMeasured) this.#service.callEnded(this.#method, code, durationMs, decision, last?.subset);
  }
}

/** A span processor of the user that throws must not break the call. The span is lost. */
function safely(report: () => void): void {
  try {
    report();
  } catch {}
}

/** Times one in 256 runs of what is too short to be timed each time. */
class Sampler {
  readonly #record: (milliseconds: number) => void;
  #left = SAMPLE_EVERY;

  constructor(record: (milliseconds: number) => void) {
    this.#record = record;
  }

  /** True: time this run and hand the time to `took()`. */
  isDue(): boolean {
    this.#left -= 1;
    if (this.#left > 0) return false;
    this.#left = SAMPLE_EVERY;
    return true;
  }

  took(milliseconds: number): void {
    this.#record(milliseconds);
  }
}
