/** What became of one call, for `lane.with({ observe })`. Plain data. */
export interface CallReport {
  /** Consul service name. */
  readonly service: string;
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Undefined when the call ended before anything was known. */
  readonly decision: CallReportDecision | undefined;
  /** In the order they were picked; an attempt that was cancelled before it started is not among them. */
  readonly attempts: readonly CallReportAttempt[];
  /** gRPC status code and details of the call. */
  readonly code: number;
  /** Details of the final status. */
  readonly details: string;
  /** Milliseconds from `start()` to the final status. */
  readonly durationMs: number;
}

/** What the policy said of a call. */
interface CallReportDecision {
  /** What decided. */
  readonly by: 'route' | 'default' | 'override' | 'force';
  /** Name of the route; `default`, `override` and `force` stand for themselves. */
  readonly route: string;
  /** The subset that was decided on; who served stands in the attempts. */
  readonly subset: string;
  /** Revision of the policy. */
  readonly revision: string;
}

/** One try of a call at one endpoint. */
export interface CallReportAttempt {
  /** `host:port`. */
  readonly endpoint: string;
  /** Consul service ID. */
  readonly instance: string;
  /** Datacenter of the instance. */
  readonly datacenter: string;
  /** Subset that the instance served as. */
  readonly subset: string;
  /** 0 is the tier that the decision wanted. */
  readonly tier: number;
  /** gRPC status code of the attempt. */
  readonly code: number;
  /** Details of its status. */
  readonly details: string;
  /** Milliseconds from its start to its status. */
  readonly durationMs: number;
}
