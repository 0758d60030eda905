/** What became of one call, for `lane.with({ observe })`. Plain data. */
export interface CallReport {
  readonly service: string;
  readonly method: string;
  /** Undefined when the call ended before anything was known. */
  readonly decision: CallReportDecision | undefined;
  /** In the order they were picked; an attempt that was cancelled before it started is not among them. */
  readonly attempts: readonly CallReportAttempt[];
  /** gRPC status code and details of the call. */
  readonly code: number;
  readonly details: string;
  /** Milliseconds from `start()` to the final status. */
  readonly durationMs: number;
}

interface CallReportDecision {
  readonly by: 'route' | 'default' | 'override' | 'force';
  readonly route: string;
  /** The subset that was decided on; who served stands in the attempts. */
  readonly subset: string;
  readonly revision: string;
}

export interface CallReportAttempt {
  /** `host:port`. */
  readonly endpoint: string;
  readonly instance: string;
  readonly datacenter: string;
  readonly subset: string;
  /** 0 is the tier that the decision wanted. */
  readonly tier: number;
  readonly code: number;
  readonly details: string;
  readonly durationMs: number;
}
