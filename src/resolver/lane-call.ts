import type { AttemptObserver, CallKind, RoutedCall } from '../balancer/attempts/routed-call';
import type { Endpoint } from '../balancer/endpoints/endpoint';
import type { FallbackUse } from '../balancer/tiers/fallback-use';
import type { Decision } from '../policy/plan';
import type { CallContext } from './call-context';
import { retryOf } from './call-retry';

/** What the options of a channel say of retries. */
export interface ChannelRetries {
  readonly isEnabled: boolean;
  readonly bufferBytes: number;
}

const DEFAULT_RETRIES: ChannelRetries = { isEnabled: true, bufferBytes: 1 << 20 };

/** One call, as made by the config selector and carried through every pick. */
export class LaneCall implements RoutedCall {
  readonly method: string;
  readonly context: CallContext | undefined;
  readonly observer: AttemptObserver | undefined;
  readonly #retries: ChannelRetries;
  decision: Decision | undefined = undefined;
  tried: Endpoint[] | undefined = undefined;
  sticky = false;
  bucket = -1;
  hash = -1;
  isRefused = false;
  inFlight = 0;
  fallbackUse: FallbackUse = 'unasked';
  lastCode = -1;
  wasProbe = false;
  rejectedAt: RoutedCall['rejectedAt'] = undefined;

  get canTryAgain(): boolean {
    const retry = retryOf(this);
    if (retry === undefined || !this.mayRetry) return false;
    return (this.tried?.length ?? 0) < retry.maxAttempts && (this.context?.sentBytes ?? 0) <= this.#retries.bufferBytes;
  }

  get mayHoldResponse(): boolean {
    return this.context?.isUnary === true && this.canTryAgain;
  }

  get isLastAttempt(): boolean {
    const retry = retryOf(this);
    return retry !== undefined && (this.tried?.length ?? 0) + 1 >= retry.maxAttempts;
  }

  get mayRetry(): boolean {
    return this.#retries.isEnabled && retryOf(this) !== undefined;
  }

  get kind(): CallKind {
    return this.context?.kind;
  }

  /** `bare`: who hears of the attempts of a call that has no context. */
  constructor(
    method: string,
    context: CallContext | undefined,
    bare?: AttemptObserver,
    retries: ChannelRetries = DEFAULT_RETRIES,
  ) {
    this.#retries = retries;
    this.method = method;
    this.context = context;
    this.observer = context === undefined ? bare : context.observer;
  }
}
