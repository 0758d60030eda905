import type { StatusName } from '../base/status-names';

/**
 * Fails or delays attempts on purpose, so that a team sees what retries, breakers and fallbacks make of it. Needs
 * `abort` or `delayMs`, or both: then the attempt fails after the delay. Ends by itself. No effect while an override is
 * in force.
 */
export interface FaultDocument {
  /** The attempt fails with this status, and reaches no server. */
  readonly abort?: StatusName;
  /** The attempt begins so much later. Milliseconds, > 0, at most 600,000. */
  readonly delayMs?: number;
  /** Share of attempts, drawn for each. In steps of 0.01, > 0, at most 100. */
  readonly percent: number;
  /** When it ends. RFC 3339. */
  readonly until: string;
  /** Ends it early in a client whose callers suffer. Default: it runs until `until`. */
  readonly stopAbove?: FaultLimitDocument;
}

/**
 * Each client judges by itself, by its own calls of the last 10 s that the fault concerns: those that failed for their
 * callers, whatever the cause. A fault that was stopped stays so in that client until its `until`.
 */
export interface FaultLimitDocument {
  /** It stops when more of the calls than this fail, in percent. 0..100. */
  readonly failedPercentage: number;
  /** So many calls within the 10 s before it may stop. 1..1,000,000, default 20. */
  readonly minimumCalls?: number;
}
