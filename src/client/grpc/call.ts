import { AsyncResource } from 'node:async_hooks';
import type { Context } from '@opentelemetry/api';
import type { Clock, Timer } from '../../base/clock';
import { callListener } from '../../base/listener';
import type { Logger } from '../../base/logger';
import type { Decision, ForceSelector } from '../../policy/plan';
import type { AttemptObserver, AttemptView, RoutedCall } from '../balancer/attempts/routed-call';
import type { DependentCall, Refusal, ServedCall } from '../propagation/served-call';
import type { ObservedCall, ServiceTelemetry } from '../telemetry/service-telemetry';
import { CALL_CONTEXT, type CallContext, type MethodFacts } from './call-context';
import type { CallReport, CallReportAttempt } from './call-report';
import type { CallScope } from './call-scope';
import { CallerCredentials, isNone } from './caller-credentials';
import {
  attachToMetadata,
  type Call,
  type CallCredentials,
  type InterceptingListener,
  type Metadata,
  type StatusObject,
} from './grpc-js';
import type { KnownMethods } from './known-methods';

const OK = 0;
const DEADLINE_EXCEEDED = 4;
/** An AsyncResource that no destroy hook need be told of costs no finalizer. */
const RESOURCE_OPTIONS = { requireManualDestroy: true };

/** What the calls of one channel have in common. */
export interface CallHome {
  readonly service: string;
  readonly clock: Clock;
  readonly staticLabels: Readonly<Record<string, string>>;
  readonly logger: Logger;
  readonly telemetry: ServiceTelemetry | undefined;
  readonly knownMethods: KnownMethods;
  callStarted(): void;
  callEnded(): void;
}

/**
 * A call as seen from the caller's side: what its async context said is captured when it is made, and labels go on a
 * clone of its metadata when it starts, since callers share Metadata objects between calls.
 *
 * Whatever the call tells its caller, it tells in that async context. Otherwise it would be in the context of whoever opened
 * the connection, in which Node's HTTP/2 ends a stream, or in that of another call that waited for the same.
 *
 * It is an AsyncResource rather than has one, or an `AsyncLocalStorage.snapshot()`, for what that costs: see docs/performance.md.
 */
export class GraylaneCall
  extends AsyncResource
  implements Call, InterceptingListener, CallContext, AttemptObserver, DependentCall
{
  readonly #inner: Call;
  readonly #home: CallHome;
  readonly #method: string;
  readonly #scope: CallScope | undefined;
  readonly #around: Context | undefined;
  readonly #served: ServedCall | undefined;
  readonly #isShortened: boolean;
  routed: RoutedCall | undefined;
  #attempts: CallReportAttempt[] | undefined;
  #observed: ObservedCall | undefined;
  #listener: InterceptingListener | undefined;
  #decision: Decision | undefined;
  #timeout: Timer | undefined;
  /** Whoever is answering while grpc-js does not know it yet. */
  #peer: string | undefined;
  /** Of a call that somebody observes. */
  #startedAtMs = 0;
  #isOpen = false;

  /**
   * `around`: the OpenTelemetry context of the caller; undefined when no spans are wanted. `served`: the call for which this
   * one is made. `isShortened`: its deadline is that of `served`.
   */
  constructor(
    inner: Call,
    home: CallHome,
    method: string,
    scope: CallScope | undefined,
    around: Context | undefined,
    served: ServedCall | undefined,
    isShortened: boolean,
  ) {
    super('GraylaneCall', RESOURCE_OPTIONS);
    this.#inner = inner;
    this.#home = home;
    this.#method = method;
    this.#scope = scope;
    this.#around = around;
    this.#served = served;
    this.#isShortened = isShortened;
  }

  // CallContext

  get force(): ForceSelector | undefined {
    return this.#scope?.force;
  }

  get stickyKey(): string | undefined {
    return this.#scope?.stickyKey;
  }

  get noRetry(): boolean {
    return this.#scope?.retry === false;
  }

  get methodFacts(): MethodFacts | undefined {
    return this.#home.knownMethods.of(this.#method);
  }

  get observer(): AttemptObserver | undefined {
    return this.#observed === undefined && this.#scope?.observe === undefined ? undefined : this;
  }

  decided(decision: Decision, late: boolean): void {
    this.#decision = decision;
    const { timeoutMs } = decision;
    if (!late || timeoutMs === undefined || !this.#isOpen) return;
    this.#timeout = this.#home.clock.setTimer(timeoutMs, () => {
      const details = `Deadline exceeded after ${(timeoutMs / 1000).toFixed(3)}s (timeoutMs of ${decision.by} ${decision.route})`;
      this.#inner.cancelWithStatus(DEADLINE_EXCEEDED, details);
    });
  }

  answering(peer: string): void {
    this.#peer = peer;
  }

  inCallersContext(credentials: CallCredentials): CallCredentials {
    return isNone(credentials) ? credentials : new CallerCredentials(this, credentials);
  }

  // AttemptObserver

  attemptPicked(attempt: AttemptView, metadata: Metadata): void {
    this.#observed?.attemptPicked(attempt, metadata);
  }

  attemptEnded(attempt: AttemptView, code: number, details: string): void {
    this.#observed?.attemptEnded(attempt, code, details);
    if (this.#scope?.observe === undefined) return;
    const { endpoint, subset, tier, startedAtMs } = attempt;
    this.#attempts ??= [];
    this.#attempts.push({
      endpoint: endpoint.key.slice(endpoint.datacenter.length + 1),
      instance: endpoint.instance.id,
      datacenter: endpoint.datacenter,
      subset,
      tier,
      code,
      details,
      durationMs: this.#home.clock.now() - startedAtMs,
    });
  }

  // Call

  start(metadata: Metadata, listener: InterceptingListener): void {
    const own = metadata.clone();
    addLabels(own, this.#scope?.labels);
    addLabels(own, this.#home.staticLabels);
    attachToMetadata(own, CALL_CONTEXT, this);
    this.#observed = this.#home.telemetry?.begin(this.#method, this.#around, own);
    this.#listener = listener;
    this.#isOpen = true;
    if (this.observer !== undefined) this.#startedAtMs = this.#home.clock.now();
    this.#home.callStarted();
    const refusal = this.#served?.refuses();
    if (refusal !== undefined) {
      this.#refuse(refusal, own);
      return;
    }
    this.#inner.start(own, this);
    this.#served?.add(this);
  }

  /** Ends it without sending it. grpc-js' call would not tell its status if it ended before it was started. */
  #refuse({ code, details }: Refusal, metadata: Metadata): void {
    this.#inner.cancelWithStatus(code, details);
    for (const key of Object.keys(metadata.getMap())) metadata.remove(key);
    process.nextTick(() => this.onReceiveStatus({ code, details, metadata }));
  }

  // DependentCall

  endWith({ code, details }: Refusal): void {
    this.#inner.cancelWithStatus(code, details);
  }

  // Call

  cancelWithStatus(status: number, details: string): void {
    this.#inner.cancelWithStatus(status, details);
  }

  getPeer(): string {
    const peer = this.#inner.getPeer();
    return peer === 'unknown' ? (this.#peer ?? peer) : peer;
  }

  sendMessageWithContext(...[context, message]: Parameters<Call['sendMessageWithContext']>): void {
    const { callback } = context;
    if (callback === undefined) {
      this.#inner.sendMessageWithContext(context, message);
      return;
    }
    const inScope: typeof callback = (error) => this.runInAsyncScope(callback, undefined, error);
    this.#inner.sendMessageWithContext({ ...context, callback: inScope }, message);
  }

  startRead(): void {
    this.#inner.startRead();
  }

  halfClose(): void {
    this.#inner.halfClose();
  }

  getCallNumber(): number {
    return this.#inner.getCallNumber();
  }

  setCredentials(credentials: CallCredentials): void {
    this.#inner.setCredentials(this.inCallersContext(credentials));
  }

  getAuthContext(): ReturnType<Call['getAuthContext']> {
    return this.#inner.getAuthContext();
  }

  // InterceptingListener

  onReceiveMetadata(metadata: Metadata): void {
    const listener = this.#listener;
    if (listener !== undefined) this.runInAsyncScope(listener.onReceiveMetadata, listener, metadata);
  }

  onReceiveMessage(message: unknown): void {
    const listener = this.#listener;
    if (listener !== undefined) this.runInAsyncScope(listener.onReceiveMessage, listener, message);
  }

  onReceiveStatus(status: StatusObject): void {
    const { routed } = this;
    // Where a filter of grpc-js fails there are no details.
    if (status.code !== OK) routed?.answerJudge?.endedAfterAnswer(routed, status.details ?? '');
    this.runInAsyncScope(this.#ended, this, this.#isShortened ? this.#explained(status) : status);
  }

  #ended(status: StatusObject): void {
    if (this.#isOpen) {
      this.#isOpen = false;
      this.#timeout?.cancel();
      this.#served?.remove(this);
      if (status.code !== OK && this.routed?.isTriedOut === true) this.#served?.failedBelow();
      this.#home.callEnded();
      if (this.#observed !== undefined) {
        const durationMs = this.#home.clock.now() - this.#startedAtMs;
        this.#observed.ended(status.code, status.details, durationMs, this.#decision);
      }
      if (this.#scope?.observe !== undefined) this.#report(status);
    }
    this.#listener?.onReceiveStatus(status);
  }

  /** Says whose deadline it was, where grpc-js says only that one was exceeded. */
  #explained(status: StatusObject): StatusObject {
    const isOurs = status.code === DEADLINE_EXCEEDED && status.details.startsWith('Deadline exceeded after');
    return isOurs && this.#served !== undefined ? { ...status, details: this.#served.explain(status.details) } : status;
  }

  #report(status: StatusObject): void {
    const decision = this.#decision;
    const report: CallReport = {
      service: this.#home.service,
      method: this.#method,
      decision:
        decision === undefined
          ? undefined
          : {
              by: decision.by,
              route: decision.route,
              subset: decision.destination.subset,
              revision: decision.plan.revision,
            },
      attempts: this.#attempts ?? [],
      code: status.code,
      details: status.details,
      durationMs: this.#home.clock.now() - this.#startedAtMs,
    };
    const observe = this.#scope?.observe;
    if (observe !== undefined) callListener(observe, report, 'observe', this.#home.logger);
  }
}

function addLabels(metadata: Metadata, labels: Readonly<Record<string, string>> | undefined): void {
  if (labels === undefined) return;
  for (const key of Object.keys(labels)) {
    const value = labels[key];
    if (value !== undefined && metadata.get(key).length === 0) metadata.set(key, value);
  }
}
