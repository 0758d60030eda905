const PREFIX = 'peer ';

/**
 * A cluster peer as tiers, lists, logs and metrics call it where they name a datacenter. The space keeps it apart from every
 * datacenter's name.
 */
export function peerPlace(peer: string): string {
  return `${PREFIX}${peer}`;
}

/** The peer of a place that is one. */
export function peerOf(place: string): string | undefined {
  return place.startsWith(PREFIX) ? place.slice(PREFIX.length) : undefined;
}
