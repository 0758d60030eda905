import { statusNameOf } from '../../base/status-names';
import { DEFAULT_RETRY } from '../../policy/defaults';
import type { Decision, HedgingPlan, RetryPlan } from '../../policy/plan';
import type { CallKind } from '../../policy/routing/call';
import { retryOf } from '../../policy/routing/run-again';
import type { AnswerJudge, AttemptEnding, AttemptObserver, RoutedCall } from '../balancer/attempts/routed-call';
import type { Endpoint } from '../balancer/endpoints/endpoint';
import type { FallbackUse } from '../balancer/tiers/order';
import type { Pool } from '../balancer/tiers/pool';
import type { CallContext } from './call-context';
import type { ChannelMethodConfig } from './channel-service-config';
import type { CallCredentials } from './grpc-js';
import type { RetryGate } from './retry-gate';

/** What a call's channel has a say in. */
export interface ChannelFacts {
  /** `grpc.enable_retries: 0`: grpc-js makes no second attempt of any kind. */
  readonly isRetryDisabled: boolean;
  /** `grpc.per_rpc_retry_buffer_size`. */
  readonly retryBufferBytes: number;
}

/**
 * One call, as made by the config selector and carried through every pick. It is also grpc-js' retry policy of the call:
 * grpc-js reads `retryableStatusCodes` at each failure, which makes a getter the place to say no without hiding the real
 * status. How many attempts there are is counted here; grpc-js only has its own limit beside.
 */
export class LaneCall implements RoutedCall {
  readonly method: string;
  readonly context: CallContext | undefined;
  readonly observer: AttemptObserver | undefined;
  readonly kind: CallKind | undefined;
  readonly isSingleResponse: boolean;
  decision: Decision | undefined = undefined;
  tried: Endpoint[] | undefined = undefined;
  attempts = 0;
  unsent = 0;
  unsentReason: string | undefined = undefined;
  sticky = false;
  bucket = -1;
  hash = -1;
  isRefused = false;
  inFlight = 0;
  fallbackUse: FallbackUse = 'unasked';
  lastEnding: AttemptEnding = 'none';
  lastCode = -1;
  wasProbe = false;
  wasLess = false;
  pushbackMs: number | undefined = undefined;
  failedAt: Endpoint | undefined = undefined;
  failedIn: Pool | undefined = undefined;
  failedWith = -1;
  answeredAt: Endpoint | undefined = undefined;
  answeredIn: Pool | undefined = undefined;
  answerJudge: AnswerJudge | undefined = undefined;
  rejectedAt: RoutedCall['rejectedAt'] = undefined;
  /** What the channel's own service config says of the method, where the policy says nothing. */
  readonly channelConfig: ChannelMethodConfig | undefined;
  readonly #gate: RetryGate;
  readonly #channel: ChannelFacts;
  #isOutOfBudget = false;
  /** Of `retry`, which is asked for many times; null: not looked up yet. */
  #retry: RetryPlan | undefined | null = null;
  /** What the gate has said of the last failure, where that was asked before grpc-js asks. */
  #codes: string[] | undefined = undefined;

  /** `bare`: who hears of the attempts of a call that has no context. */
  constructor(
    method: string,
    context: CallContext | undefined,
    gate: RetryGate,
    channel: ChannelFacts,
    bare?: AttemptObserver,
    channelConfig?: ChannelMethodConfig,
  ) {
    this.method = method;
    this.context = context;
    this.#gate = gate;
    this.#channel = channel;
    this.channelConfig = channelConfig;
    this.observer = context === undefined ? bare : context.observer;
    const kind = context?.methodFacts?.kind;
    this.kind = kind;
    this.isSingleResponse = kind !== 'serverStream' && kind !== 'bidi';
    if (context !== undefined) context.routed = this;
  }

  /** Undefined: none, and before the decision. */
  get hedging(): HedgingPlan | undefined {
    const { decision } = this;
    if (decision === undefined || this.context?.noRetry === true) return undefined;
    return decision.hedging ?? (decision.retry === undefined ? this.channelConfig?.hedging : undefined);
  }

  /** How the call may run again: undefined when nobody has said that it may, and before the decision. */
  get retry(): RetryPlan | undefined {
    if (this.decision === undefined) return undefined;
    if (this.#retry === null) {
      const isOff = this.#channel.isRetryDisabled || this.context?.noRetry === true || this.hedging !== undefined;
      const isIdempotent = this.context?.methodFacts?.isIdempotent === true;
      this.#retry = isOff ? undefined : retryOf(this.decision, this.method, isIdempotent, this.channelConfig?.retry);
    }
    return this.#retry;
  }

  get mayRetry(): boolean {
    return this.retry !== undefined;
  }

  get canTryAgain(): boolean {
    const { retry } = this;
    return retry !== undefined && this.attempts < retry.maxAttempts;
  }

  get isTriedOut(): boolean {
    return this.attempts > 1 || this.#isOutOfBudget || (this.pushbackMs !== undefined && this.pushbackMs < 0);
  }

  /** It would have been tried again, had the budget or its service's load let it. Set by the gate. */
  ranOutOfBudget(): void {
    this.#isOutOfBudget = true;
  }

  get isLastAttempt(): boolean {
    const { retry } = this;
    return retry !== undefined && this.attempts > 0 && this.attempts + 1 >= retry.maxAttempts;
  }

  get mayHoldResponse(): boolean {
    const { retry } = this;
    return retry !== undefined && this.kind === 'unary' && this.attempts + 1 < retry.maxAttempts;
  }

  willTryAgain(): boolean {
    this.#codes = this.#gate.retryableCodes(this);
    const name = statusNameOf(this.lastCode);
    return name !== undefined && this.#codes.includes(name);
  }

  get retryBufferBytes(): number {
    return this.#channel.retryBufferBytes;
  }

  giveUpAttempt(isProbe: boolean): boolean {
    return this.canTryAgain && this.#gate.drawForGivenUp(isProbe);
  }

  answering(peer: string): void {
    this.context?.answering(peer);
  }

  inCallersContext(credentials: CallCredentials): CallCredentials {
    return this.context?.inCallersContext(credentials) ?? credentials;
  }

  // grpc-js' retry policy

  /** grpc-js counts what is tried elsewhere for other reasons too, so it gets no limit of ours. */
  readonly maxAttempts = 1_000;

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
    const codes = this.#codes ?? this.#gate.retryableCodes(this);
    this.#codes = undefined;
    return codes;
  }
}

const texts = new Map<number, string>();

/** As grpc-js wants it. Each call asks for the same few. */
export function seconds(milliseconds: number): string {
  const known = texts.get(milliseconds);
  if (known !== undefined) return known;
  const text = `${milliseconds / 1000}s`;
  if (texts.size < 1_000) texts.set(milliseconds, text);
  return text;
}
