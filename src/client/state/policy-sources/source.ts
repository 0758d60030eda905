import type { PolicyOrigin } from '../../../policy/plan';
import type { PolicyReading } from '../../../policy/policy-reading';

/**
 * Where policy documents come from: inline, a file, Consul KV. A source only delivers what it read; validation and
 * compilation happen above it, so that a bad revision is refused in one place. "There is none" and "I could not read
 * it" are different answers and never mixed up.
 */
export interface PolicySource {
  readonly origin: PolicyOrigin;
  /**
   * Starts to watch the policy of `service`. `listener` is called asynchronously at first, then on every change of
   * what was read; never after `close()`.
   */
  watch(service: string, listener: (reading: PolicyReading) => void): PolicyWatch;
}

export interface PolicyWatch {
  /** Idempotent; releases timers and sockets. */
  close(): void;
}
