/** Copies of a route's calls for another destination, whose answers no caller sees. Of methods with a single response. */
export interface MirrorDocument<To = string> {
  /** Where the copies go: never through a fallback, and none of calls that go there anyway. */
  readonly to: To;
  /** Share of the route's calls that are copied. Percent, 0..100, in steps of 0.01. Default 100. */
  readonly percent?: number;
  /**
   * Copies that one client may have in flight at this service, of all its routes. No more are made then, and none
   * waits. 1..10,000, default 100.
   */
  readonly maxInFlight?: number;
  /** Longest time for a copy, which never has more than its call has. Milliseconds, > 0. Default 10,000. */
  readonly timeoutMs?: number;
  /**
   * Compares the answer to the copy with the answer to the call: the status, and the message field by field. `true`:
   * every field. Default false: answers are dropped unread.
   */
  readonly compare?: boolean | MirrorCompareDocument;
}

/** What a comparison of answers leaves out. */
interface MirrorCompareDocument {
  /** Fields that may differ, with all that is in them: `updated_at`, `items.*.id`. At most 100. Default: none. */
  readonly ignore?: readonly string[];
}
