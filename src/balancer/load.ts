/** A running attempt, as the load of its endpoint keeps it: a link in a list ordered by start. Owned by the caller. */
export interface AttemptLink {
  startedAtMs: number;
  responded: boolean;
  previous: AttemptLink | undefined;
  next: AttemptLink | undefined;
}

export type LoadOutcome = 'success' | 'failure' | 'neutral';

/** What one endpoint carries now and how fast it answered lately. Times are monotonic milliseconds. */
export interface EndpointLoad {
  /** Attempts begun and not ended. */
  readonly inFlight: number;
  /** Peak-EWMA of the time to the first response, in milliseconds; see `peak-ewma.ts`. */
  readonly ewmaMs: number;
  /** Its oldest attempt is overdue and nothing has come back since. Set by `sweep`. */
  readonly isSuspect: boolean;
  attemptStarted(attempt: AttemptLink, nowMs: number): void;
  /** First headers or message of the attempt. Called at most once each. */
  attemptResponded(attempt: AttemptLink, nowMs: number): void;
  attemptEnded(attempt: AttemptLink, nowMs: number, outcome: LoadOutcome): void;
  /** Called from the lane's shared tick. True when `isSuspect` changed. */
  sweep(nowMs: number): boolean;
}
