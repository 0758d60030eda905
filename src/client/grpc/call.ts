import type { Context, SpanContext } from '@opentelemetry/api';
import type { Clock, Timer } from '../../base/clock';
import { callListener, type Logger } from '../../base/logger';
import type { DependentCall, Refusal, ServedCall } from '../propagation/served-call';
import type { ObservedCall, ServiceTelemetry } from '../telemetry/service-telemetry';
import type { AmbientScope, CallReport, CallReportAttempt } from './call-scope';
import { type AttemptObserver, type AttemptView, CALL_STATE, CallState } from './call-state';
import {
  attachToMetadata,
  type Call,
  type CallCredentials,
  type Deadline,
  type InterceptingListener,
  isNoCredentials,
  type Metadata,
  type StatusObject,
} from './grpc-js';
import type { KnownMethods } from './known-methods';
import type { ChannelMirror, MirrorableCall } from './mirror/channel-mirror';
import type { MirroredCall } from './mirror/mirrored-call';

const OK = 0;
const DEADLINE_EXCEEDED = 4;

/** What the calls of one channel have in common. */
export interface CallHome {
  readonly service: string;
  readonly clock: Clock;
  /** Undefined: none. */
  readonly staticLabels: Readonly<Record<string, string>> | undefined;
  readonly logger: Logger;
  readonly telemetry: ServiceTelemetry | undefined;
  readonly knownMethods: KnownMethods;
  readonly callsInFlight: CallsInFlight;
  /** Makes copies of the channel's calls. Made by the first call that has a mirror. */
  mirror: ChannelMirror | undefined;
  openMirror(): ChannelMirror;
}

/** Calls of one Graylane client that have started and not ended. */
export interface CallsInFlight {
  count: number;
  /** Called when the last one has ended. */
  onIdle: (() => void) | undefined;
}

/**
 * A call as its caller sees it. What the caller's async context said is captured when the call is made. Labels go on a
 * clone of the caller's metadata when the call starts, since callers share Metadata objects between calls.
 *
 * Whatever the call tells its caller, it tells in that async context. Otherwise the listener would run in the context
 * that opened the connection, in which Node's HTTP/2 ends a stream, or in that of another call that waited too.
 *
 * The call is an AsyncResource, which costs less than having one, or an `AsyncLocalStorage.snapshot()`: see
 * docs/performance.md.
 */
export class GraylaneCall
  extends CallState
  implements Call, InterceptingListener, AttemptObserver, DependentCall, MirrorableCall
{
  readonly host: string | null | undefined;
  ownCredentials: CallCredentials | undefined = undefined;
  readonly #deadline: Deadline;
  readonly #inner: Call;
  readonly #home: CallHome;
  readonly #callerContext: Context | undefined;
  readonly #served: ServedCall | undefined;
  readonly #isShortened: boolean;
  #listener: InterceptingListener | undefined = undefined;
  #observed: ObservedCall | undefined = undefined;
  #reported: CallReportAttempt[] | undefined = undefined;
  #timeout: Timer | undefined = undefined;
  /** The peer that is answering while grpc-js does not know it yet. */
  #peer: string | undefined = undefined;
  /** Of a call that is observed. */
  #startedAtMs = 0;
  #isOpen = false;
  /** Undefined: nothing of the call is copied. */
  #mirrored: MirroredCall | undefined = undefined;
  /** What was sent before the decision. */
  #early: EarlyRequest | undefined = undefined;

  /**
   * `callerContext`: the OpenTelemetry context of the caller; undefined when no spans are wanted. `served`: the call
   * for which this one is made. `isShortened`: `deadline` is that of `served`.
   */
  constructor(
    inner: Call,
    home: CallHome,
    method: string,
    scope: AmbientScope | undefined,
    callerContext: Context | undefined,
    served: ServedCall | undefined,
    deadline: Deadline,
    isShortened: boolean,
    host: string | null | undefined,
  ) {
    super(method, scope, home.knownMethods.byPath.get(method));
    this.#inner = inner;
    this.#home = home;
    this.#callerContext = callerContext;
    this.#served = served;
    this.#deadline = deadline;
    this.#isShortened = isShortened;
    this.host = host;
  }

  // CallState

  override decided(isLate: boolean): void {
    if (this.decision?.mirror !== undefined) this.#beginMirror();
    this.#early = undefined;
    const timeoutMs = this.decision?.timeoutMs;
    if (!isLate || timeoutMs === undefined || !this.#isOpen) return;
    this.#timeout = this.#home.clock.setTimer(timeoutMs, () => {
      const spent = (timeoutMs / 1000).toFixed(3);
      const cause = `timeoutMs of ${this.decision?.by} ${this.decision?.route}`;
      this.#inner.cancelWithStatus(DEADLINE_EXCEEDED, `Deadline exceeded after ${spent}s (${cause})`);
    });
  }

  #beginMirror(): void {
    this.#home.mirror ??= this.#home.openMirror();
    this.#mirrored = this.#home.mirror.begin(this, this.metadata as Metadata);
    const { messages = [], isWhole = false } = this.#early ?? {};
    for (const message of messages) this.#mirrored?.send({ message, flags: undefined });
    if (isWhole) this.#mirrored?.halfClose();
  }

  // MirrorableCall

  get deadlineMs(): number {
    return Number(this.#deadline);
  }

  get channelTimeoutMs(): number | undefined {
    return this.channelConfig?.timeoutMs;
  }

  get mayRunAgain(): boolean {
    return this.mayRetry || this.hedging !== undefined;
  }

  get isOfCopy(): boolean {
    return this.scope?.isCopy === true;
  }

  get spanContext(): SpanContext | undefined {
    return this.#observed?.spanContext;
  }

  // CallState

  override answering(peer: string): void {
    this.#peer = peer;
  }

  override inCallersContext(credentials: CallCredentials): CallCredentials {
    return isNoCredentials(credentials) ? credentials : new CallerCredentials(this, credentials);
  }

  // AttemptObserver

  attemptPicked(attempt: AttemptView, metadata: Metadata): void {
    this.#observed?.attemptPicked(attempt, metadata);
  }

  attemptEnded(attempt: AttemptView, code: number, details: string): void {
    this.#observed?.attemptEnded(attempt, code, details);
    if (this.scope?.observe === undefined) return;
    const { endpoint, subset, tier, startedAtMs, fault } = attempt;
    this.#reported ??= [];
    this.#reported.push({
      endpoint: endpoint.key.slice(endpoint.datacenter.length + 1),
      instance: endpoint.instance.id,
      datacenter: endpoint.datacenter,
      subset,
      tier,
      code,
      details,
      durationMs: this.#home.clock.now() - startedAtMs,
      ...(fault !== undefined && { fault }),
    });
  }

  // Call

  start(metadata: Metadata, listener: InterceptingListener): void {
    const { callsInFlight, clock, staticLabels, telemetry } = this.#home;
    const labels = this.scope?.labels;
    // grpc-js clones the metadata as it starts a call. So where nothing is added, the caller's own is lent to it.
    const mayLend = labels === undefined && staticLabels === undefined && this.#callerContext === undefined;
    const isLent = mayLend && Object.isExtensible(metadata);
    const own = isLent ? metadata : metadata.clone();
    if (labels !== undefined) addLabels(own, labels);
    if (staticLabels !== undefined) addLabels(own, staticLabels);
    this.#observed = telemetry?.begin(this.method, this.#callerContext, own);
    this.#listener = listener;
    this.#isOpen = true;
    if (this.#observed !== undefined || this.scope?.observe !== undefined) {
      this.observer = this;
      this.#startedAtMs = clock.now();
    }
    callsInFlight.count += 1;
    const refusal = this.#served?.refuses();
    if (refusal !== undefined) {
      this.#refuse(refusal, metadata.clone());
      return;
    }
    const options = metadata.getOptions();
    attachToMetadata(own, CALL_STATE, this);
    try {
      this.#inner.start(own, this);
    } finally {
      if (isLent) metadata.setOptions(options);
    }
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
    const { callback, flags } = context;
    if (callback === undefined) this.#inner.sendMessageWithContext(context, message);
    else {
      const inScope: typeof callback = (error) => this.runInAsyncScope(callback, undefined, error);
      this.#inner.sendMessageWithContext({ ...context, callback: inScope }, message);
    }
    if (this.#mirrored !== undefined) this.#mirrored.send({ message, flags });
    else if (this.decision === undefined) this.#keepEarly().messages.push(message);
  }

  #keepEarly(): EarlyRequest {
    this.#early ??= new EarlyRequest();
    return this.#early;
  }

  startRead(): void {
    this.#inner.startRead();
  }

  halfClose(): void {
    this.#inner.halfClose();
    if (this.#mirrored !== undefined) this.#mirrored.halfClose();
    else if (this.decision === undefined) this.#keepEarly().isWhole = true;
  }

  getCallNumber(): number {
    return this.#inner.getCallNumber();
  }

  setCredentials(credentials: CallCredentials): void {
    this.ownCredentials = credentials;
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
    this.#mirrored?.received(message);
    const listener = this.#listener;
    if (listener !== undefined) this.runInAsyncScope(listener.onReceiveMessage, listener, message);
  }

  onReceiveStatus(status: StatusObject): void {
    // Where a filter of grpc-js fails there are no details.
    if (status.code !== OK) this.answerJudge?.endedAfterAnswer(this, status.details ?? '');
    this.runInAsyncScope(this.#ended, this, this.#isShortened ? this.#explained(status) : status);
  }

  #ended(status: StatusObject): void {
    if (this.#isOpen) {
      this.#isOpen = false;
      this.#timeout?.cancel();
      this.#mirrored?.ended(status.code, this.lastEnding === 'answered');
      this.onEnd?.(status.code);
      this.#served?.remove(this);
      if (status.code !== OK && this.isTriedOut) this.#served?.failedBelow();
      const { callsInFlight, clock } = this.#home;
      callsInFlight.count -= 1;
      if (callsInFlight.count === 0) callsInFlight.onIdle?.();
      if (this.#observed !== undefined) {
        const durationMs = clock.now() - this.#startedAtMs;
        this.#observed.ended(status.code, status.details, durationMs, this.decision);
      }
      if (this.scope?.observe !== undefined) this.#report(status, this.scope.observe);
    }
    this.#listener?.onReceiveStatus(status);
  }

  /** Says whose deadline it was, where grpc-js says only that one was exceeded. */
  #explained(status: StatusObject): StatusObject {
    const isOurs = status.code === DEADLINE_EXCEEDED && status.details.startsWith('Deadline exceeded after');
    return isOurs && this.#served !== undefined ? { ...status, details: this.#served.explain(status.details) } : status;
  }

  #report({ code, details }: StatusObject, observe: (report: CallReport) => void): void {
    const { decision } = this;
    const report: CallReport = {
      service: this.#home.service,
      method: this.method,
      decision:
        decision === undefined
          ? undefined
          : {
              by: decision.by,
              route: decision.route,
              subset: decision.destination.subset,
              ...(decision.lane !== undefined && { lane: decision.lane }),
              revision: decision.plan.revision,
            },
      attempts: this.#reported ?? [],
      code,
      details,
      durationMs: this.#home.clock.now() - this.#startedAtMs,
    };
    callListener(observe, report, 'observe', this.#home.logger);
  }
}

/** What a call has sent before its decision, should it be copied. grpc-js keeps the same messages until then. */
class EarlyRequest {
  isWhole = false;
  readonly messages: Buffer[] = [];
}

function addLabels(metadata: Metadata, labels: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(labels)) {
    const value = labels[key];
    if (value !== undefined && metadata.get(key).length === 0) metadata.set(key, value);
  }
}

/**
 * Call credentials that are made in the caller's async context. grpc-js makes them at the pick, in the context of
 * another caller where the call had waited for a connection. A token that is read there, from an AsyncLocalStorage,
 * would be another user's.
 */
class CallerCredentials implements CallCredentials {
  readonly #caller: CallState;
  readonly #own: CallCredentials;

  constructor(caller: CallState, own: CallCredentials) {
    this.#caller = caller;
    this.#own = own;
  }

  generateMetadata(
    ...args: Parameters<CallCredentials['generateMetadata']>
  ): ReturnType<CallCredentials['generateMetadata']> {
    return this.#caller.runInAsyncScope(this.#own.generateMetadata, this.#own, ...args);
  }

  compose(others: CallCredentials): CallCredentials {
    const all = this.#own.compose(others);
    return all === this.#own ? this : new CallerCredentials(this.#caller, all);
  }

  _equals(other: CallCredentials): boolean {
    return this === other;
  }
}
