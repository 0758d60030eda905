import type { Plan, PolicyOrigin } from './plan';

/**
 * Where policy documents come from: inline, a file, Consul KV. A source only delivers what it read; validation and
 * compilation happen above it, so that a bad revision is refused in one place. "There is none" and "I could not read it"
 * are different answers and never mixed up.
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

export type PolicyReading =
  /** Could not be read (forbidden, unreachable, unreadable). What was known before stays. */
  | { readonly kind: 'error'; readonly reason: string }
  /** It was looked for, and there is none. */
  | { readonly kind: 'absent' }
  /** A revision. `content` is text (JSON or YAML) or an object. */
  | {
      readonly kind: 'present';
      readonly content: string | object;
      readonly format: 'json' | 'yaml' | 'object';
      /** Consul ModifyIndex, where there is one. */
      readonly index?: string;
      /** Where its text stands, for messages: a path, a key. */
      readonly place?: string;
      /** Where it came from, when that is not the origin of the source that delivers it. */
      readonly origin?: PolicyOrigin;
    };

/** Compiles what a source read. Throws a `GraylaneError` INVALID_POLICY that carries every problem. */
export type PolicyCompiler = (reading: PolicyReading & { readonly kind: 'present' }) => Plan;
