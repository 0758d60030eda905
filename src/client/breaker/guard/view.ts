/** A guard as it stood when it was asked for; plain data. */
export interface GuardView {
  /** Which subset it watches, and which one that is compared with. */
  readonly subset: string;
  readonly against: string;
  /** Attempts of the last window; none of the guarded subset's while it is shed. */
  readonly counts: GuardCounts;
  readonly againstCounts: GuardCounts;
  /** True: it sheds nothing, and only says when it would. */
  readonly isDryRun: boolean;
  /** While it sheds: milliseconds until it lets go. */
  readonly heldForMs: number | undefined;
  /** While it sheds: what it saw, such as `guard: 12 of 40 failed, stable 3 of 900`. */
  readonly because: string | undefined;
  /** How often it has shed since the Graylane client was opened. */
  readonly trips: number;
}

export interface GuardCounts {
  /** Those that succeeded or failed. */
  readonly calls: number;
  readonly failures: number;
  /** Median time to the first response of those that succeeded; undefined where times are not compared, or none did. */
  readonly medianMs: number | undefined;
}

/** A guard sheds its subset, or lets go of it. */
export interface GuardChange {
  readonly subset: string;
  readonly event: 'shed' | 'restored';
  readonly isDryRun: boolean;
  readonly because: string;
  /** Milliseconds that it sheds, or has shed, at most for. */
  readonly heldForMs: number;
}
