/**
 * What a client has counted of one window since it heard of it, as it goes over the wire (JSON). Cumulative: each report
 * takes the place of the one before it, so that a lost one loses nothing and one that comes twice adds nothing.
 */
export interface FiguresReport {
  readonly format: 1;
  /** Of whoever counts: random, another for each window that a process counts. */
  readonly client: string;
  readonly window: string;
  /** From 1, one more with each report of this client: an older one that comes late is known by it. */
  readonly number: number;
  readonly canary: ReportedCounts;
  readonly stable: ReportedCounts;
}

export interface ReportedCounts {
  /** Attempts that the subset served and that said something of it: every one that ended but the `neutral`. */
  readonly calls: number;
  /** Those of `calls` that the breaker takes for failures. */
  readonly failures: number;
  /** Attempts that said nothing: cancelled by the caller, or ended while this process stood still. */
  readonly neutral: number;
  /** Attempts meant for this subset that another one served. */
  readonly fallbacks: number;
  /** The breaker of this subset is open, in any datacenter. */
  readonly isShed: boolean;
  /** `calls` by the time to their first response: one more than {@link DURATION_BOUNDS_MS}, the last for those beyond all. */
  readonly durations: readonly number[];
}

/** A report is smaller: two subsets, each 36 numbers. */
export const MAX_REPORT_BYTES = 4_096;

/**
 * Upper bounds of the buckets. Between half a millisecond and 3 s each is at most 1.5 times the one before, so that a
 * limit of 1.5 times stable's quantile falls into another bucket than the quantile itself.
 */
export const DURATION_BOUNDS_MS: readonly number[] = [
  0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048,
  3_072, 4_096, 8_192, 16_384, 32_768,
];
