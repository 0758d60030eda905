import type { ClientOptions } from './client';
import { type Peer, startPeer } from './peer';

/**
 * How large the young generation grows depends on what a process happened to load before. Left to itself it made garbage
 * collection cost one client 27 us a call and another, which makes less garbage, 37 us.
 */
const SAME_YOUNG_GENERATION = ['--min-semi-space-size=16', '--max-semi-space-size=16'];

/** A client in a process of its own; answers a Batch with its BatchCost. */
export function startClient(options: ClientOptions): Promise<Peer> {
  return startPeer('client.ts', options, SAME_YOUNG_GENERATION);
}
