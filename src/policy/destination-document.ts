/**
 * Where calls go: the name of a subset of the policy, or an object that names another service, another place, or both.
 * `S` is the union of the policy's own subset names.
 */
export type DestinationDocument<S extends string = string> = S | PlaceDestinationDocument<S>;

/** A destination with at least one key. `datacenter` and `peer` exclude each other. */
export type PlaceDestinationDocument<S extends string = string> =
  | (OtherServiceDocument & (UnpinnedDocument | InDatacenterDocument | AtPeerDocument))
  | (OwnSubsetDocument<S> & (UnpinnedDocument | InDatacenterDocument | AtPeerDocument))
  | (DefaultSubsetDocument & (InDatacenterDocument | AtPeerDocument));

interface OtherServiceDocument {
  /** Consul service whose instances take the calls. Of its policy only the subset holds, with its fallbacks. */
  readonly service: string;
  /** A subset of that service's policy. Default: the subset that its policy calls `default`; all without a policy. */
  readonly subset?: string;
}

interface OwnSubsetDocument<S extends string> {
  readonly service?: never;
  /** A subset of this policy. */
  readonly subset: S;
}

interface DefaultSubsetDocument {
  readonly service?: never;
  readonly subset?: never;
}

interface UnpinnedDocument {
  readonly datacenter?: never;
  readonly peer?: never;
}

interface InDatacenterDocument {
  /** Calls go to this datacenter alone, and on to those of the route's `failover`. */
  readonly datacenter: string;
  readonly peer?: never;
}

interface AtPeerDocument {
  readonly datacenter?: never;
  /** Calls go to this cluster peer alone (Consul 1.13 and later), and on to the places of the route's `failover`. */
  readonly peer: string;
}

/** A cluster peer (Consul 1.13 and later) of the local datacenter, by the name that it has there. */
export interface PeerDocument {
  /** Its name. */
  readonly peer: string;
}
