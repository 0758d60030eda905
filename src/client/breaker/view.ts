/** opossum's words. */
export type BreakerState = 'closed' | 'open' | 'halfOpen';

/** opossum's names of what happens to a breaker. */
export type BreakerEvent = 'open' | 'halfOpen' | 'close';

/** `endpoint`: one address. `subset`: one subset in one datacenter. */
export type BreakerLevel = 'endpoint' | 'subset';

/** How a health check of our own ended. `unknown`: it says nothing, as where the server has no health service. */
export type CheckVerdict = 'passed' | 'failed' | 'unknown';

/** The state of a breaker when it was asked for; plain data, never changed afterwards. */
export interface BreakerView {
  /** `datacenter/host:port` of an endpoint, `subset@datacenter` of a subset. */
  readonly key: string;
  /** What the breaker belongs to. */
  readonly level: BreakerLevel;
  /** Closed admits calls, open none, half-open one probe at a time. */
  readonly state: BreakerState;
  /**
   * False: the policy, or the owner of the opossum object, turned it off, and no guard keeps it open; it admits
   * everything.
   */
  readonly isEnabled: boolean;
  /** Outcomes in the rolling window. */
  readonly counts: { readonly successes: number; readonly failures: number };
  /** Failures in a row, up to now. */
  readonly consecutiveFailures: number;
  /** Deadlines in a row with nothing received. */
  readonly silentFailures: number;
  /**
   * Closed, and its last attempts were silent, but too few to open it. A health check, or one call at a time, verifies
   * it.
   */
  readonly isDoubtful: boolean;
  /** While open: milliseconds until it turns half-open; undefined while its subset's guard keeps it open. */
  readonly probesInMs: number | undefined;
  /** While its subset's guard keeps it open: milliseconds until it closes. */
  readonly heldForMs: number | undefined;
  /** While not closed: what opened it last. */
  readonly openedBecause: string | undefined;
  /** The last failure that was counted; undefined without one. */
  readonly lastFailure: { readonly reason: string; readonly agoMs: number } | undefined;
}

/** A breaker changed its state. */
export interface BreakerChange {
  /** `datacenter/host:port` of an endpoint, `subset@datacenter` of a subset. */
  readonly key: string;
  /** What the breaker belongs to. */
  readonly level: BreakerLevel;
  /** What happened, in opossum's words. */
  readonly event: BreakerEvent;
  /** The state before. */
  readonly from: BreakerState;
  /** The state now. */
  readonly state: BreakerState;
}

/** Why the breakers of a subset are kept open, whatever they have counted themselves. */
export interface ForcedOpen {
  /** Shown as what opened them. */
  readonly because: string;
  /** Milliseconds until they close. */
  dueInMs(nowMs: number): number;
}
