import {
  type Attributes,
  type Context,
  propagation,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type TextMapSetter,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { Decision } from '../../policy/plan';
import type { BreakerState } from '../breaker/view';
import type { Metadata } from '../grpc/grpc-js';
import * as names from './attributes';
import { statusText } from './attributes';

const SETTER: TextMapSetter<Metadata> = { set: (metadata, key, value) => metadata.set(key, value) };
const MAX_DETAILS = 256;
const INSTRUMENTATION = '@opentelemetry/instrumentation-grpc';

/** What telemetry reads of an attempt, while it is called only: attempts are reused. */
export interface AttemptView {
  readonly call: CallView;
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
  /** Panic: no endpoint was fit to serve, so any connected one serves. */
  readonly isPanic: boolean;
  /** Name of the fault of the policy that hit it; known once it has begun. */
  readonly fault?: string | undefined;
}

export interface CallView {
  readonly method: string;
  readonly decision: Decision | undefined;
  readonly sticky: boolean;
  /** The pool that breakers had shut when this attempt was picked. */
  readonly rejectedAt: { readonly subset: string; readonly datacenter: string } | undefined;
}

/** The decision of a call that has an attempt: there always is one. */
export function decisionOf(call: CallView): Decision {
  if (call.decision === undefined) throw new Error('the call is not decided yet');
  return call.decision;
}

interface OpenAttempt {
  readonly of: object;
  readonly span: Span;
}

/** Where an attempt that has ended went. */
export interface ServedBy {
  readonly subset: string;
  readonly datacenter: string;
  readonly tier: number;
  readonly breaker: string;
}

/** How a call ended. */
export interface CallEnd {
  readonly code: number;
  readonly details: string;
  readonly decision: Decision | undefined;
  /** Revision of the plan in force when the call ended. */
  readonly revisionNow: string | undefined;
}

/**
 * The spans of one call, after gRFC A72 (https://github.com/grpc/proposal/blob/master/A72-open-telemetry-tracing.md):
 * one for the call, and one below it for each attempt, whose context is sent with that attempt. A span processor of the
 * user may throw in any method but `begin`.
 */
export class CallTrace {
  readonly #tracer: Tracer;
  readonly #span: Span;
  /** An instrumentation began the span, and ends it. */
  readonly #isForeign: boolean;
  readonly #context: Context;
  readonly #name: string;
  #open: OpenAttempt[] = [];
  #attempts = 0;
  #sticky = false;
  #revision: string | undefined;
  #isEnded = false;

  private constructor(tracer: Tracer, span: Span, isForeign: boolean, parent: Context, name: string) {
    this.#tracer = tracer;
    this.#span = span;
    this.#isForeign = isForeign;
    this.#context = isForeign ? parent : trace.setSpan(parent, span);
    this.#name = name;
  }

  /**
   * Begins the call's span in the caller's context. Undefined when it is not recorded. Then `metadata` carries the
   * caller's trace on, if there is one: what is not sampled here must not be sampled by the server either.
   */
  static begin(
    tracer: Tracer,
    service: string,
    method: string,
    parent: Context,
    metadata: Metadata,
  ): CallTrace | undefined {
    try {
      const name = method.slice(1);
      const around = trace.getSpan(parent);
      if (around !== undefined && isSpanOfCall(around, method)) {
        return new CallTrace(tracer, around, true, parent, name);
      }
      const attributes: Attributes = {
        [names.RPC_SYSTEM]: 'grpc',
        [names.RPC_METHOD]: name,
        [names.SERVER_ADDRESS]: service,
      };
      const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }, parent);
      if (span.isRecording()) return new CallTrace(tracer, span, false, parent, name);
      if (trace.isSpanContextValid(span.spanContext())) {
        propagation.inject(trace.setSpan(parent, span), metadata, SETTER);
      }
    } catch {
      // The call goes on without a trace.
    }
    return undefined;
  }

  get spanContext(): SpanContext {
    return this.#span.spanContext();
  }

  attemptPicked(attempt: AttemptView, metadata: Metadata): void {
    if (this.#isEnded) return;
    const { call, endpoint, subset, tier } = attempt;
    const decision = decisionOf(call);
    this.#sticky = call.sticky;
    this.#addPickEvents(attempt, decision);
    const attributes: Attributes = {
      [names.RPC_SYSTEM]: 'grpc',
      [names.RPC_METHOD]: this.#name,
      [names.SERVER_ADDRESS]: endpoint.address,
      [names.SERVER_PORT]: endpoint.port,
      [names.INSTANCE]: endpoint.instance.id,
      [names.DATACENTER]: endpoint.datacenter,
      [names.SUBSET]: subset,
      [names.ROUTE]: decision.route,
      [names.REVISION]: decision.plan.revision,
      [names.TIER]: tier,
      ...(decision.lane !== undefined && { [names.LANE]: decision.lane }),
      [names.BREAKER]: endpoint.breaker?.state ?? 'closed',
      [names.PREVIOUS_ATTEMPTS]: this.#attempts,
    };
    if (attempt.isPanic) attributes[names.PANIC] = true;
    this.#attempts += 1;
    const span = this.#tracer.startSpan(`Attempt.${this.#name}`, { kind: SpanKind.CLIENT, attributes }, this.#context);
    this.#open.push({ of: attempt, span });
    try {
      propagation.inject(trace.setSpan(this.#context, span), metadata, SETTER);
    } catch {
      // What a propagator cannot write is not sent.
    }
  }

  attemptEnded(attempt: AttemptView, code: number, details: string): void {
    const index = this.#open.findIndex(({ of }) => of === attempt);
    const [ended] = index < 0 ? [] : this.#open.splice(index, 1);
    if (ended === undefined) return;
    if (attempt.fault !== undefined) {
      ended.span.setAttribute(names.FAULT, attempt.fault);
      this.#span.setAttribute(names.FAULT, attempt.fault);
    }
    end(ended.span, code, details);
  }

  /** `last`: the attempt that answered; undefined when none was made. */
  ended({ code, details, decision, revisionNow }: CallEnd, last: ServedBy | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    // An attempt may outlive its call: a losing hedge, a cancelled one. Its span ends with the call.
    for (const { span } of this.#open.splice(0)) end(span, code, details);
    if (decision !== undefined) {
      this.noticeRevision(decision, revisionNow);
      this.#span.setAttributes(this.#attributesOf(decision, last));
    }
    if (!this.#isForeign) end(this.#span, code, details);
    else this.#span.setAttribute(names.RPC_STATUS, statusText(code));
  }

  #attributesOf(decision: Decision, last: ServedBy | undefined): Attributes {
    const wanted = decision.destination.subset;
    return {
      [names.ROUTE]: decision.route,
      [names.SUBSET]: wanted,
      ...(decision.lane !== undefined && { [names.LANE]: decision.lane }),
      [names.REVISION]: decision.plan.revision,
      [names.STICKY]: this.#sticky,
      [names.FORCED]: decision.by === 'force',
      [names.ATTEMPTS]: this.#attempts,
      ...(last !== undefined && {
        [names.SERVED_BY]: last.subset,
        [names.DATACENTER]: last.datacenter,
        [names.TIER]: last.tier,
        [names.FALLBACK]: last.subset !== wanted,
        [names.BREAKER]: last.breaker,
      }),
    };
  }

  #addPickEvents(attempt: AttemptView, decision: Decision): void {
    const { call, endpoint, subset, tier } = attempt;
    if (call.rejectedAt !== undefined) {
      const { subset: from, datacenter } = call.rejectedAt;
      this.#span.addEvent('graylane.breaker.rejected', { [names.SUBSET]: from, [names.DATACENTER]: datacenter });
    }
    if (tier > 0) {
      this.#span.addEvent('graylane.failover', {
        [names.SUBSET]: subset,
        [names.DATACENTER]: endpoint.datacenter,
        [names.TIER]: tier,
        [names.FALLBACK]: subset !== decision.destination.subset,
        [names.PREVIOUS_ATTEMPTS]: this.#attempts,
      });
    }
  }

  /** Called at each attempt. A policy swapped during the call becomes an event, at the latest when the call ends. */
  noticeRevision(decision: Decision, revisionNow: string | undefined): void {
    if (revisionNow === undefined || revisionNow === (this.#revision ?? decision.plan.revision)) return;
    this.#span.addEvent('graylane.policy.swapped', {
      'graylane.policy.revision.decided': decision.plan.revision,
      'graylane.policy.revision.now': revisionNow,
    });
    this.#revision = revisionNow;
  }
}

/** Fields of a span of OpenTelemetry's SDK; the API has no getters. */
interface ReadableSpan {
  readonly kind?: SpanKind;
  readonly name?: string;
  readonly ended?: boolean;
  readonly instrumentationScope?: { readonly name?: string };
}

/**
 * True when `@opentelemetry/instrumentation-grpc` has already begun the span of this very call: a second one would be a
 * duplicate. In the callback of an earlier call the span of that call may still be active, but it has ended.
 */
function isSpanOfCall(span: Span, method: string): boolean {
  const { kind, name, ended, instrumentationScope } = span as ReadableSpan;
  return (
    instrumentationScope?.name === INSTRUMENTATION &&
    kind === SpanKind.CLIENT &&
    ended !== true &&
    span.isRecording() &&
    name === `grpc.${method.slice(1)}`
  );
}

function end(span: Span, code: number, details: string): void {
  const text = statusText(code);
  span.setAttribute(names.RPC_STATUS, text);
  if (code !== 0) {
    span.setAttribute(names.ERROR_TYPE, text);
    span.setStatus({ code: SpanStatusCode.ERROR, message: details.slice(0, MAX_DETAILS) });
  }
  span.end();
}
