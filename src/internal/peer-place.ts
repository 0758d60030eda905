const PREFIX = 'peer ';

/** How tiers, lists, metrics and messages name the place of instances that a cluster peer exports: `peer NAME`. */
export function peerPlace(peer: string): string {
  return `${PREFIX}${peer}`;
}

/** Whether a place is a peer, and no datacenter: those have no spaces in their names. */
export function isPeerPlace(place: string): boolean {
  return place.startsWith(PREFIX);
}
