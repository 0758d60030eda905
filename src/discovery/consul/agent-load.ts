/** What one Consul agent has to do for one lane, for `lane.inspect()`. */
export interface AgentLoad {
  readonly address: string;
  /** Requests under way; each holds a connection. */
  readonly openRequests: number;
  /** The most that were under way at once. */
  readonly mostOpenRequests: number;
}
