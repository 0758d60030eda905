import { AsyncResource } from 'node:async_hooks';
import { STATUS_NAMES, statusNameOf } from '../../base/status-names';
import { cookieValues, isCookieKey } from '../../policy/cookie';
import { DEFAULT_RETRY } from '../../policy/defaults';
import type { Decision, FaultPlan, ForceSelector, HedgingPlan, RetryPlan } from '../../policy/plan';
import type { CallKind, Labels, RoutingInput, RoutingOutcome } from '../../policy/routing/call';
import { retryOf } from '../../policy/routing/decide';
import type { MethodTime } from '../balancer/attempts/methods';
import type { Endpoint } from '../balancer/endpoints/endpoint';
import type { FaultedCallRecord } from '../balancer/faults/fault-state';
import type { Pool } from '../balancer/tiers/pool';
import type { AmbientScope } from './call-scope';
import type { ChannelMethodConfig } from './channel-service-config';
import { type CallCredentials, type Metadata, seconds, type ValuesByKey, valuesByKey } from './grpc-js';
import type { MethodFacts } from './known-methods';
import type { AttemptEnding, FallbackUse, RetryRules } from './retry-rules';

/** Under this symbol a call's state travels in the options of its metadata. Nothing of it goes on the wire. */
export const CALL_STATE: symbol = Symbol('graylane.call');

/** An AsyncResource without destroy hooks costs no finalizer. */
const RESOURCE_OPTIONS = { requireManualDestroy: true };
const NO_VALUES: ValuesByKey = new Map();
/** Where `cookie:name` has its colon, which no other key has. */
const COLON_AT = 6;
const COLON = 58;

const NO_CODES: string[] = [];
/** A call that was turned away is tried again where other endpoints turn away less than this part of theirs. */
const MOST_SHED = 0.25;
/** Every code that a failed attempt can end with, except the caller's own cancel and deadline. */
const ANY_FAILURE: string[] = STATUS_NAMES.filter((name) => name !== 'CANCELLED' && name !== 'DEADLINE_EXCEEDED');

/** What an observer may read of an attempt, during the callback only: attempts are reused. */
export interface AttemptView {
  readonly call: CallState;
  readonly endpoint: Endpoint;
  readonly subset: string;
  /** Position in the failover order; 0 is the tier that the decision wanted. */
  readonly tier: number;
  /** No endpoint was fit to serve, so that any connected one does. */
  readonly isPanic: boolean;
  readonly startedAtMs: number;
  /** Name of the fault of the policy that hit it; known once it has begun. */
  readonly fault: string | undefined;
}

/** Called synchronously from grpc-js' callbacks; must not throw. */
export interface AttemptObserver {
  /** `metadata` is the attempt's own clone: what is set here is sent. */
  attemptPicked?(attempt: AttemptView, metadata: Metadata): void;
  attemptEnded?(attempt: AttemptView, code: number, details: string): void;
}

/** Learns how a call ended whose attempt had ended well: grpc-js reads a held response only after that. */
export interface AnswerJudge {
  endedAfterAnswer(call: CallState, details: string): void;
}

/** The labels of one call, which looks them up itself: that saves an object. Runs in its caller's async context. */
class CallLabels extends AsyncResource implements Labels {
  /** Where labels are read; undefined before the decision. */
  protected metadata: Pick<Metadata, 'get'> | undefined = undefined;
  #staticLabels: Readonly<Record<string, string>> | undefined = undefined;
  #onRepeated: ((key: string) => void) | undefined = undefined;
  #values: ValuesByKey = NO_VALUES;
  /** No label stands elsewhere. */
  #isOnlyMetadata = false;

  constructor() {
    super('GraylaneCall', RESOURCE_OPTIONS);
  }

  /**
   * Says where the labels of the call are: in its metadata, then among the static ones. Nothing is read before it is
   * asked for, and each question reads anew. `onRepeated` is called with a key that the metadata holds twice.
   */
  readLabelsFrom(
    metadata: Pick<Metadata, 'get'>,
    staticLabels: Readonly<Record<string, string>> | undefined,
    onRepeated?: (key: string) => void,
  ): void {
    this.metadata = metadata;
    this.#staticLabels = staticLabels;
    this.#onRepeated = onRepeated;
    const values = valuesByKey(metadata);
    this.#values = values ?? NO_VALUES;
    this.#isOnlyMetadata = values !== undefined && staticLabels === undefined;
  }

  get labels(): Labels {
    return this;
  }

  /** A label. One that the metadata holds twice counts as absent, since it is unclear which was meant. */
  get(key: string): string | undefined {
    // Most labels are in the metadata once, or nowhere. Few instructions, so that they are inlined into the decision.
    const values = this.#values.get(key);
    if (values === undefined) {
      // A short key is told by its length: to read beyond a text's end is slow.
      if (this.#isOnlyMetadata && (key.length <= COLON_AT || key.charCodeAt(COLON_AT) !== COLON)) return undefined;
    } else if (values.length === 1) {
      const value = values[0];
      if (typeof value === 'string') return value;
    }
    return this.#lookUp(key);
  }

  #lookUp(key: string): string | undefined {
    const metadata = this.metadata;
    if (metadata === undefined || key.endsWith('-bin')) return undefined;
    const values = isCookieKey(key) ? cookieValues(metadata.get('cookie'), key) : metadata.get(key);
    if (values.length > 1) {
      this.#onRepeated?.(key);
      return undefined;
    }
    const [value] = values;
    if (value !== undefined) return typeof value === 'string' ? value : undefined;
    const statics = this.#staticLabels;
    // `constructor` and its kin are keys like any other.
    return statics !== undefined && Object.hasOwn(statics, key) ? statics[key] : undefined;
  }
}

/**
 * One call, from `createCall` to its end: what its caller asked for, what was decided, which endpoints it tried.
 * grpc-js hands this object to the config selector and to the pick of each attempt.
 *
 * It is also grpc-js' retry policy of the call. grpc-js reads `retryableStatusCodes` at each failure: there this class
 * says no without hiding the real status. Attempts are counted here; grpc-js has its own limit beside.
 *
 * Calls through Graylane's own channel are `GraylaneCall`s. A bare CallState stands for a call through grpc-js'
 * channel.
 */
export class CallState extends CallLabels implements RoutingInput, RoutingOutcome {
  readonly method: string;
  /** What the caller's async context said when the call was made. grpc-js picks in other contexts. */
  readonly scope: AmbientScope | undefined;
  /** Undefined where no definition of the method was seen. */
  readonly methodFacts: MethodFacts | undefined;
  readonly kind: CallKind | undefined;
  /** One response at most, as far as is known. */
  readonly isSingleResponse: boolean;
  readonly force: ForceSelector | undefined;
  readonly stickyKey: string | undefined;
  /** Is told about each attempt; undefined where nothing observes the call. */
  observer: AttemptObserver | undefined;
  /** Undefined while no snapshot is known; then taken at the first pick that has one. Never changes afterwards. */
  decision: Decision | undefined = undefined;
  sticky = false;
  bucket = -1;
  hash = -1;
  hashes: readonly number[] | undefined = undefined;
  faults: readonly FaultPlan[] | undefined = undefined;
  /** What faults of the policy do to it; undefined: none concerns it. */
  faulted: FaultedCallRecord | undefined = undefined;
  /** Is told the code that the call ends with; undefined most of the time. */
  onEnd: ((code: number) => void) | undefined = undefined;
  /** How long its method usually takes. Looked up at the first pick. */
  time: MethodTime | undefined = undefined;
  /** Endpoints of attempts that started, oldest first, including those that no application can have seen. */
  tried: Endpoint[] | undefined = undefined;
  /** Attempts that count: those that started, except the ones that no application can have seen. */
  attempts = 0;
  /** Attempts that are out now. */
  inFlight = 0;
  /** A pick has chosen an endpoint, and the attempt has not begun: grpc-js asks for credentials in between. */
  isPicked = false;
  /** Attempts in a row that could not be begun: the transport threw. */
  unsent = 0;
  /** Why no attempt can be begun: the call ends with it. Undefined: another one may. */
  unsentReason: string | undefined = undefined;
  /** Set by the picker when neither waiting nor trying again can help: there is no endpoint that could serve. */
  isRefused = false;
  fallbackUse: FallbackUse = 'unasked';
  lastEnding: AttemptEnding = 'none';
  /** gRPC code of the attempt that ended last; -1 when none did, or the last one reached no endpoint. */
  lastCode = -1;
  /** The attempt that ended last was a breaker's probe: when its connection breaks, it is tried again elsewhere. */
  wasProbe = false;
  /** The server of that attempt wants fewer calls. */
  wasLess = false;
  /** For how long that server asked to be left alone, in milliseconds; negative: no further try. */
  pushbackMs: number | undefined = undefined;
  /** Where an attempt was answered with a failure, and with which code: another endpoint may answer with the same. */
  failedAt: Endpoint | undefined = undefined;
  failedIn: Pool | undefined = undefined;
  failedWith = -1;
  /** Where a good answer came from, and what learns that the answer cannot be used. Undefined before. */
  answeredAt: Endpoint | undefined = undefined;
  answeredIn: Pool | undefined = undefined;
  answerJudge: AnswerJudge | undefined = undefined;
  /**
   * The first pool that breakers closed to the last pick: its subset's, or those of all its endpoints. For observers.
   */
  rejectedAt: { readonly subset: string; readonly datacenter: string } | undefined = undefined;
  /** What the channel's own service config says of the method, for where the policy says nothing. */
  channelConfig: ChannelMethodConfig | undefined = undefined;
  #rules: RetryRules | undefined = undefined;
  /** Of `retry`, which is asked for many times; null: not looked up yet. */
  #retry: RetryPlan | undefined | null = null;
  /** The answer for the last failure, where `willTryAgain` was asked before grpc-js asks. */
  #codes: string[] | undefined = undefined;
  #isOutOfBudget = false;

  constructor(
    method: string,
    scope: AmbientScope | undefined,
    methodFacts: MethodFacts | undefined,
    observer?: AttemptObserver,
  ) {
    super();
    this.method = method;
    this.scope = scope;
    this.methodFacts = methodFacts;
    this.observer = observer;
    this.force = scope?.force;
    this.stickyKey = scope?.stickyKey;
    this.kind = methodFacts?.kind;
    this.isSingleResponse = this.kind !== 'serverStream' && this.kind !== 'bidi';
  }

  /** Called once, by the config selector of the call's channel. */
  route(rules: RetryRules, channelConfig: ChannelMethodConfig | undefined): void {
    this.#rules = rules;
    this.channelConfig = channelConfig;
  }

  /**
   * The decision has been taken. `isLate`: grpc-js had the call before anything was known, so that its method config
   * could not carry the route's timeout.
   */
  decided(_isLate: boolean): void {}

  /** `peer` has begun to answer. Its response is held until it is whole; grpc-js does not know the peer until then. */
  answering(_peer: string): void {}

  /** The same credentials, made in the async context of the caller: grpc-js asks for them in another context. */
  inCallersContext(credentials: CallCredentials): CallCredentials {
    return credentials;
  }

  /** Known to have one response: headers alone are no answer. */
  get hasSingleResponse(): boolean {
    return this.kind === 'unary' || this.kind === 'clientStream';
  }

  /**
   * Does this call make a probe? A stream may be silent by nature, and an upload cannot be sent twice. A call of
   * unknown kind is taken for a unary one.
   */
  get isProbeable(): boolean {
    return this.kind === 'unary' || this.kind === undefined;
  }

  /** Undefined: none, and before the decision. */
  get hedging(): HedgingPlan | undefined {
    const { decision } = this;
    if (decision === undefined || this.scope?.retry === false) return undefined;
    return decision.hedging ?? (decision.retry === undefined ? this.channelConfig?.hedging : undefined);
  }

  /** How the call may run again: undefined when neither policy nor method allows it, and before the decision. */
  get retry(): RetryPlan | undefined {
    return this.#retry === null ? this.#lookUpRetry() : this.#retry;
  }

  #lookUpRetry(): RetryPlan | undefined {
    const { decision } = this;
    if (decision === undefined) return undefined;
    const isOff = this.#rules?.isRetryDisabled === true || this.scope?.retry === false || this.hedging !== undefined;
    const isIdempotent = this.methodFacts?.isIdempotent === true;
    this.#retry = isOff ? undefined : retryOf(decision, this.method, isIdempotent, this.channelConfig?.retry);
    return this.#retry;
  }

  /** The call's owner has said that it may run again, and its channel allows it. One that may not is a poor probe. */
  get mayRetry(): boolean {
    return this.retry !== undefined;
  }

  /** The call may run again, and has an attempt left. */
  get canTryAgain(): boolean {
    const { retry } = this;
    return retry !== undefined && this.attempts < retry.maxAttempts;
  }

  /**
   * No caller above need try the call again: it was tried again here, or could not be for reasons that hold above too.
   */
  get isTriedOut(): boolean {
    return this.attempts > 1 || this.#isOutOfBudget || (this.pushbackMs !== undefined && this.pushbackMs < 0);
  }

  /** The next attempt is a further one, and none follows it. */
  get isLastAttempt(): boolean {
    const { retry } = this;
    return retry !== undefined && this.attempts > 0 && this.attempts + 1 >= retry.maxAttempts;
  }

  /**
   * Asked before an attempt starts: may its response be held until it is whole, since the call can be tried again
   * should the response break off?
   */
  get mayHoldResponse(): boolean {
    const { retry } = this;
    return retry !== undefined && this.kind === 'unary' && this.attempts + 1 < retry.maxAttempts;
  }

  get retryBufferBytes(): number {
    return this.#rules?.retryBufferBytes ?? 0;
  }

  /** Will the failure that has just ended an attempt be followed by another attempt? Asked at most once for each. */
  willTryAgain(): boolean {
    this.#codes = this.#codesToRetry();
    const name = statusNameOf(this.lastCode);
    return name !== undefined && this.#codes.includes(name);
  }

  /**
   * Asks to end the attempt that is out in favour of another one, and draws that one from the retry budget; for a probe
   * also when the budget is spent. False: the attempt must go on.
   */
  giveUpAttempt(isProbe: boolean): boolean {
    const rules = this.#rules;
    if (!this.canTryAgain || rules === undefined) return false;
    const nowMs = rules.clock.now();
    if (isProbe) rules.budget.takeRetry(nowMs);
    return isProbe || rules.budget.tryRetry(nowMs);
  }

  // grpc-js' retry policy

  /** grpc-js also counts attempts that no server took on, so its limit is far above ours. */
  get maxAttempts(): number {
    return 1_000;
  }

  get initialBackoff(): string {
    return seconds((this.retry ?? DEFAULT_RETRY).initialBackoffMs);
  }

  get maxBackoff(): string {
    return seconds((this.retry ?? DEFAULT_RETRY).maxBackoffMs);
  }

  get backoffMultiplier(): number {
    return (this.retry ?? DEFAULT_RETRY).backoffMultiplier;
  }

  get retryableStatusCodes(): string[] {
    const codes = this.#codes ?? this.#codesToRetry();
    this.#codes = undefined;
    return codes;
  }

  /** The codes with which the attempt that ended last may be tried again just now. May draw on the retry budget. */
  #codesToRetry(): string[] {
    const rules = this.#rules;
    if (this.isRefused || rules === undefined) return NO_CODES;
    // There were no credentials. As for grpc-js that is an attempt; it costs no server anything.
    if (this.isPicked) {
      this.isPicked = false;
      this.attempts += 1;
      return this.canTryAgain ? (this.retry?.retryableStatusCodes as string[]) : NO_CODES;
    }
    // The attempt ran nowhere: trying it elsewhere is no second run and costs no server anything.
    if (this.lastEnding === 'unseen') return ANY_FAILURE;
    const { retry } = this;
    if (retry === undefined || this.attempts >= retry.maxAttempts) return NO_CODES;
    // grpc-js would not try it again either, but after it was drawn from the budget.
    if (this.pushbackMs !== undefined && this.pushbackMs < 0) return NO_CODES;
    // Drawn from the budget when it was given up.
    if (this.lastEnding === 'given-up') return ANY_FAILURE;
    // The call was sent to a suspect endpoint for Graylane's sake. So a connection that breaks is Graylane's to mend,
    // whatever is left of the budget. It counts all the same: with everything failing, probes would come on top.
    const name = statusNameOf(this.lastCode);
    const isBroken = this.lastEnding === 'broken';
    if (this.wasProbe && isBroken && name !== undefined && ANY_FAILURE.includes(name)) {
      rules.budget.takeRetry(rules.clock.now());
      return ANY_FAILURE;
    }
    const codes = retry.retryableStatusCodes as string[];
    // What reached no endpoint cost no server anything.
    if (this.lastCode < 0) return codes;
    if (name === undefined || !codes.includes(name)) return NO_CODES;
    if (this.#isRoomElsewhere(rules) && rules.budget.tryRetry(rules.clock.now(), isBroken)) return codes;
    this.#isOutOfBudget = true;
    return NO_CODES;
  }

  /**
   * A call that was turned away is tried again only where other endpoints turn few away: else all get too many calls.
   */
  #isRoomElsewhere(rules: RetryRules): boolean {
    const last = this.tried?.at(-1);
    return !this.wasLess || last === undefined || rules.shedBeside(last) < MOST_SHED;
  }
}
