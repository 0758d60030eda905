import type { Plan, PolicyOrigin } from './plan';

/** What a source of policies has read, see `PolicySource`. */
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
      /** It is not the stored policy but a candidate, with this ID: what follows from it must not outlast it. */
      readonly candidate?: string;
    };

/** Compiles what a source read. Throws a `GraylaneError` INVALID_POLICY that carries every problem. */
export type PolicyCompiler = (reading: PolicyReading & { readonly kind: 'present' }) => Plan;
