import type { Batch } from './calls';
import type { ClientOptions } from './client-options';
import { type Peer, startPeer } from './peer';

/**
 * How large the young generation grows depends on what a process happened to load before. Left to itself it made garbage
 * collection cost one client 27 us a call and another, which makes less garbage, 37 us.
 */
const SAME_YOUNG_GENERATION = ['--min-semi-space-size=16', '--max-semi-space-size=16'];

/** Some of the calls before they are measured: while others had their turn, the processor's caches were theirs. */
export async function leadIn(client: Peer, batch: Batch): Promise<void> {
  await client.ask({ ...batch, calls: Math.ceil(batch.calls / 4) });
}

/** A client in a process of its own; answers a Batch with its BatchCost. */
export function startClient(options: ClientOptions): Promise<Peer> {
  return startPeer('client.ts', options, SAME_YOUNG_GENERATION);
}
