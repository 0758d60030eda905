/**
 * Where calls go: the name of a subset of the policy, or an object that names another service, another place, or both.
 * `S` is the union of the policy's own subset names.
 */
export type DestinationDocument<S extends string = string> = S | PlaceDestinationDocument<S>;

/** A destination with at least one key. `datacenter` and `peer` exclude each other. */
type PlaceDestinationDocument<S extends string = string> =
  | (OtherServiceDocument<S> & (UnpinnedDocument | InDatacenterDocument | AtPeerDocument))
  | (OwnSubsetDocument<S> & (UnpinnedDocument | InDatacenterDocument | AtPeerDocument))
  | (DefaultSubsetDocument & (InDatacenterDocument | AtPeerDocument));

/** Another service. */
interface OtherServiceDocument<S extends string> {
  /** Consul service whose instances take the calls. Of its policy only the subset holds, with its fallbacks. */
  readonly service: string;
  /** A subset of that service's policy. Default: the subset that its policy calls `default`; all without a policy. */
  readonly subset?: string;
  /**
   * In a route: the subset of this policy that serves when the other service cannot. Default: none, so that its calls
   * fail then.
   */
  readonly fallback?: S;
}

/** A subset of this policy. */
interface OwnSubsetDocument<S extends string> {
  /** Not here. */
  readonly service?: never;
  /** Not here: the subset has one. */
  readonly fallback?: never;
  /** A subset of this policy. */
  readonly subset: S;
}

/** The default subset of this policy. */
interface DefaultSubsetDocument {
  /** Not here. */
  readonly service?: never;
  /** Not here: the subset has one. */
  readonly fallback?: never;
  /** Not here. */
  readonly subset?: never;
}

/** Wherever calls go. */
interface UnpinnedDocument {
  /** Not here. */
  readonly datacenter?: never;
  /** Not here. */
  readonly peer?: never;
}

/** In one datacenter. */
interface InDatacenterDocument {
  /** Calls go to this datacenter alone, and on to those of the route's `failover`. */
  readonly datacenter: string;
  /** Not here. */
  readonly peer?: never;
}

/** At one cluster peer. */
interface AtPeerDocument {
  /** Not here. */
  readonly datacenter?: never;
  /** Calls go to this cluster peer alone (Consul 1.13 and later), and on to the places of the route's `failover`. */
  readonly peer: string;
}

/** A cluster peer (Consul 1.13 and later) of the local datacenter, by the name that it has there. */
export interface PeerDocument {
  /** Its name. */
  readonly peer: string;
}
