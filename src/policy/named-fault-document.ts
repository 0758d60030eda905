import type { DestinationDocument } from './destination-document';
import type { FaultDocument } from './fault-document';
import type { MatchDocument } from './route-document';

/** A fault that belongs to no route: `graylane drill` writes it. Does not change where calls go. */
export interface NamedFaultDocument<S extends string = string> extends FaultDocument {
  /** Unique in the policy: at most 64 letters, digits, `_`, `.`, `-`. */
  readonly name: string;
  /** Which calls. Default: every call. */
  readonly match?: MatchDocument;
  /**
   * Only attempts at this subset, at `lane NAME`, or at a destination as a route has it: of another service where a
   * route, a fallback or the override leads to it. Default: at any.
   */
  readonly in?: DestinationDocument<S> | `lane ${string}`;
  /** Who set it, for `explain()` and logs. */
  readonly by?: string;
  /** Why it was set, for `explain()` and logs. */
  readonly reason?: string;
}
