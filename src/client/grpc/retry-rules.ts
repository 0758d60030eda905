import type { Clock } from '../../base/clock';
import type { Endpoint } from '../balancer/endpoints/endpoint';
import type { RetryBudget } from '../breaker/retry-budget';

/**
 * How the attempt that ended last did so, or the last pick.
 *
 * - `none`: no attempt has ended, or the last pick reached no endpoint.
 * - `unseen`: the server's application cannot have seen it: REFUSED_STREAM, with which Node also ends a stream that a
 *   GOAWAY did not cover.
 * - `given-up`: Graylane ended it to try another endpoint.
 * - `broken`: the stream or the connection broke, or the caller gave up.
 * - `answered`: the status is the server's own.
 */
export type AttemptEnding = 'none' | 'unseen' | 'given-up' | 'broken' | 'answered';

/**
 * Whether the fallback may serve a call whose subset caps its fallback. Settled once, so that retries follow it too.
 */
export type FallbackUse = 'unasked' | 'counted' | 'granted' | 'denied';

/** What decides, for the calls of one channel, whether a failed call is tried again. */
export interface RetryRules {
  /** `grpc.enable_retries: 0`: grpc-js makes no second attempt of any kind. */
  readonly isRetryDisabled: boolean;
  /** `grpc.per_rpc_retry_buffer_size`: grpc-js keeps no larger request, so that its call is not tried again. */
  readonly retryBufferBytes: number;
  readonly clock: Clock;
  readonly budget: RetryBudget;
  /** Which part of the attempts at all other endpoints was turned away lately, in [0, 1]. */
  shedBeside(endpoint: Endpoint): number;
}
