import type { SourceState } from '../../base/instances';

/**
 * The contract between where instances are listed (Consul, a file, code) and everything above it. A source delivers
 * whole, immutable states; it never throws at its listener's caller and never delivers less than it knows because
 * something failed: failure is data beside the last good answer.
 */
export interface Source {
  /**
   * Starts to watch a service. `listener` is called asynchronously, with a complete state each time something changed.
   * Calls for the same (service, tags) share the work underneath. Called by `resolver/` when the first channel of a
   * service wants addresses; closed when the last one goes idle or is closed, and may then be started afresh.
   */
  watch(request: WatchRequest, listener: (state: SourceState) => void): SourceWatch;
  /** Ends everything. Idempotent. */
  close(): void;
}

export interface WatchRequest {
  readonly service: string;
  /** Instances must carry all of them. Usually empty. */
  readonly tags: readonly string[];
  /** Overrides the source's own list, first is local. */
  readonly datacenters?: readonly string[] | undefined;
  /** Of services with several ports the one that is called so. Default: their default port. */
  readonly port?: string | undefined;
  /** Namespace, partition or peer, by the names of Consul's query parameters. Other sources know peers alone. */
  readonly scope?: Readonly<Record<string, string>> | undefined;
}

export interface SourceWatch {
  /**
   * The Consul filter expressions whose membership is wanted. Replaces the former list. Until an expression's first
   * answer is in, it is missing from `DatacenterState.filters`.
   */
  setFilters(expressions: readonly string[]): void;
  /** Idempotent. The listener is not called afterwards. */
  close(): void;
}
