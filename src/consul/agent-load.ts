/** What one Consul agent has to do for one Graylane client, and whether it is well, for `graylane.inspect()`. */
export interface AgentLoad {
  /** As given: `http://127.0.0.1:8500`, `unix:///run/consul.sock`. */
  readonly address: string;
  /** Requests under way; each holds a connection. */
  readonly openRequests: number;
  /** The most that were under way at once. */
  readonly mostOpenRequests: number;
  /** Requests since the Graylane client was opened, those under way included. */
  readonly requests: number;
  /** Those of them that the agent did not answer, or answered with 429, 500 or the like. */
  readonly failures: number;
  /** New requests go to this one. */
  readonly serves: boolean;
  /** Milliseconds since it was left for another one, or first failed; undefined: nothing speaks against it. */
  readonly illForMs: number | undefined;
  /** Of its last failure; undefined while nothing speaks against it. */
  readonly reason: string | undefined;
}
