/** An instance that is kept in Consul from `registerInstance()` until `stop()`. */
export interface Registration {
  /** Consul service ID. */
  readonly id: string;
  /** What it is doing. */
  readonly state: RegistrationState;
  /**
   * Resolves when the agent has taken the instance. Rejects with NOT_READY and the reason after `timeoutMs` (default
   * 10,000), while it is still being tried, or when it was stopped.
   */
  registered(options?: { readonly timeoutMs?: number }): Promise<void>;
  /**
   * Out of Consul (unless other processes of this host go on as the same instance), then `settleMs` as before so that clients see it, then NOT_SERVING, then no new calls and up to
   * `graceMs` for those in flight. Never rejects; idempotent.
   */
  stop(): Promise<StopReport>;
}

/** What a registration is doing. */
export type RegistrationState = 'registering' | 'registered' | 'stopping' | 'stopped';

/** How stopping ended. */
export interface StopReport {
  /**
   * False: other processes go on as this instance (`others`), or the agent did not take it, and Consul holds the instance until
   * its check is critical for long.
   */
  readonly deregistered: boolean;
  /** Processes of this host that go on as this instance: workers that share its port, or its successor. Left out for 0. */
  readonly others?: number;
  /** False: calls were cut off when the grace was over. */
  readonly drained: boolean;
}
