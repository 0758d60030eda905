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
  readonly datacenters?: readonly string[];
  /** Of services with several ports the one that is called so. Default: their default port. */
  readonly port?: string;
  /** Namespace, partition or peer, by the names of Consul's query parameters. Other sources know peers alone. */
  readonly scope?: Readonly<Record<string, string>>;
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

export interface SourceState {
  /** Local first, then in the configured order. */
  readonly datacenters: readonly DatacenterState[];
}

export interface DatacenterState {
  readonly datacenter: string;
  readonly local: boolean;
  /** False until the first answer (or last known good) is in: `instances` is then empty and means nothing. */
  readonly known: boolean;
  /** Includes critical ones: they are known, and bad. */
  readonly instances: readonly Instance[];
  /**
   * Vanished with many others in one answer, and kept for a while: they take calls only where nobody who is listed can. None
   * where left out.
   */
  readonly absent?: readonly Instance[];
  /** The registry lists nobody any more, which is not believed yet: `instances` are those known before. */
  readonly isHeld?: boolean;
  /** Entries of the last answer that were left out: malformed ones and duplicates. */
  readonly rejected: number;
  /** Those of them that are well-formed: a newer registration has their address. None where left out. */
  readonly duplicates?: number;
  /** The first few of those. */
  readonly doubles?: readonly DuplicateInstance[];
  /** The registry has left out what the token may not see. */
  readonly isPartial?: boolean;
  /** Why some of those cannot be used although they are well formed, in words. None where left out. */
  readonly faults?: readonly string[];
  /** True when the service exists here only behind Connect proxies. */
  readonly connectOnly: boolean;
  /** Nobody is listed, and the registry lists a service whose name is near this one. */
  readonly similar?: string;
  /** For each filter expression, the keys (`Instance.key`) that Consul says match. */
  readonly filters: ReadonlyMap<string, ReadonlySet<string>>;
  /** Filter expressions that are not answered at present, and why. None where left out. */
  readonly filterFailures?: ReadonlyMap<string, FilterFailure>;
  readonly freshness: Freshness;
}

/** Two entries of an answer that claim one address, or one key, and which of them counts. */
export interface DuplicateInstance {
  /** `host:port`. */
  readonly endpoint: string;
  /** ID of the entry that counts. */
  readonly counts: string;
  /** ID of the one that does not. */
  readonly leftOut: string;
}

export interface FilterFailure {
  readonly reason: string;
  /** Consul cannot evaluate the expression, and will not until it is another one. */
  readonly isRefused: boolean;
}

export type Freshness =
  /** The last contact succeeded. */
  | { readonly kind: 'fresh' }
  /** Nothing has succeeded yet; `reason` after the first failure. */
  | { readonly kind: 'pending'; readonly reason?: string }
  /** Serving the last known good answer. `sinceMs` is monotonic time of the last success. */
  | { readonly kind: 'stale'; readonly sinceMs: number; readonly reason: string };

/** One of several ports of an instance. */
export type NamedPort = NonNullable<Instance['ports']>[number];

/** One service entry. Immutable; an unchanged entry keeps its object across states. */
export interface Instance {
  /** Unique in the lane, stable across states: `datacenter/node/id`. */
  readonly key: string;
  /** Consul service ID. */
  readonly id: string;
  readonly node: string;
  /** Of a cluster peer: `peer` and its name, whatever its own datacenter is called. */
  readonly datacenter: string;
  /** The cluster peer that it was imported from; left out for the registry's own. */
  readonly peer?: string;
  readonly zone: string | undefined;
  /** What its zone belongs to, where the registry says so. */
  readonly region?: string;
  readonly address: string;
  /** The one that is dialled. */
  readonly port: number;
  /** What `port` is called, of several. */
  readonly portName?: string;
  /** All of its ports, where it has several; their names are different. */
  readonly ports?: readonly { readonly name: string; readonly port: number }[];
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly status: 'passing' | 'warning' | 'critical';
  /** Already the one for its status. 0: no new calls, as long as somebody else can take them. */
  readonly weight: number;
  /**
   * The registry says that its node cannot be reached (Consul's serfHealth), and nothing else speaks against the instance, whose
   * `status` does not count it. Whether the instance answers is for its callers to find out.
   */
  readonly isNodeFailed?: true;
  /** Grows with each registration in its datacenter: of two entries with one address the one with the greater counts. */
  readonly registered?: number;
}
