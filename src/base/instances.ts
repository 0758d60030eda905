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
   * Vanished with many others in one answer, and kept for a while: they take calls only where no listed instance can.
   * None where left out.
   */
  readonly absent?: readonly Instance[];
  /** The registry lists no instance any more, which is not believed yet: `instances` are those known before. */
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
  /** No instance is listed, and the registry lists a service whose name is near this one. */
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
  /** Unique in the Graylane client, stable across states: `datacenter/node/id`. */
  readonly key: string;
  /** Consul service ID. */
  readonly id: string;
  /** Name of its Consul node. */
  readonly node: string;
  /** Of a cluster peer: `peer` and its name, whatever its own datacenter is called. */
  readonly datacenter: string;
  /** The cluster peer that it was imported from; left out for the registry's own. */
  readonly peer?: string;
  /** Its zone; undefined where the registry names none. */
  readonly zone: string | undefined;
  /** What its zone belongs to, where the registry says so. */
  readonly region?: string;
  /** Host name or IP address that is dialled. */
  readonly address: string;
  /** The one that is dialled. */
  readonly port: number;
  /** What `port` is called, of several. */
  readonly portName?: string;
  /** All of its ports, where it has several; their names are different. */
  readonly ports?: readonly { readonly name: string; readonly port: number }[];
  /** Consul tags. */
  readonly tags: readonly string[];
  /** Consul service meta. */
  readonly meta: Readonly<Record<string, string>>;
  /** What its checks say. */
  readonly status: 'passing' | 'warning' | 'critical';
  /** Already the one for its status. 0: no new calls, as long as another instance can take them. */
  readonly weight: number;
  /**
   * The registry says that its node cannot be reached (Consul's serfHealth), and nothing else speaks against the
   * instance, whose `status` does not count it. Whether the instance answers is for its callers to find out.
   */
  readonly isNodeFailed?: true;
  /**
   * Grows with each registration in its datacenter: of two entries with one address the one with the greater counts.
   */
  readonly registered?: number;
}

/** Of what a registry says of an instance: the healthier, the lower. */
export const HEALTH_RANK = { passing: 0, warning: 1, critical: 2 } as const;

const PREFIX = 'peer ';

/**
 * A cluster peer as tiers, lists, logs and metrics call it where they name a datacenter. The space keeps it apart from
 * every datacenter's name.
 */
export function peerPlace(peer: string): string {
  return `${PREFIX}${peer}`;
}

/** The peer of a place that is one. */
export function peerOf(place: string): string | undefined {
  return place.startsWith(PREFIX) ? place.slice(PREFIX.length) : undefined;
}
