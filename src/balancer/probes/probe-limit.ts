import type { RoutedCall } from '../attempts/routed-call';
import type { Endpoint } from '../endpoints/endpoint';
import { MAX_SAMPLE_MS } from '../endpoints/load';
import type { Pool } from '../tiers/pool';

const FLOOR_MS = 100;
/** An answer that takes longer than so many times the usual one is not to be waited for... */
const USUAL_FACTOR = 3;
/** ...but where answers are quick their spread is wide: up to a second, so many times the usual one. */
const QUICK_FACTOR = 10;
const QUICK_LIMIT_MS = 1_000;
/** Peers that are asked for their usual latency; a pool may have thousands. */
const PEERS = 16;

/**
 * How long a probe may take before its call is sent to another endpoint. Undefined: as long as its caller waits, where it
 * could not be tried again, is not known to be unary, or nobody has answered yet and quick cannot be told from slow.
 */
export function probeLimitMs(call: RoutedCall, endpoint: Endpoint, pool: Pool): number | undefined {
  if (!call.canTryAgain || call.kind !== 'unary') return undefined;
  const usualMs = usualOf(endpoint, pool);
  // What is longer than the longest sample is not known to be unusual.
  if (usualMs === 0 || usualMs >= MAX_SAMPLE_MS) return undefined;
  return Math.max(FLOOR_MS, USUAL_FACTOR * usualMs, Math.min(QUICK_FACTOR * usualMs, QUICK_LIMIT_MS));
}

/** How long the answer to a probe may well take. */
export function patienceMs(endpoint: Endpoint, pool: Pool): number {
  return USUAL_FACTOR * usualOf(endpoint, pool);
}

/** Milliseconds that good answers take, at the endpoint or at its peers, whichever is longer; 0 when unknown. */
function usualOf(endpoint: Endpoint, pool: Pool): number {
  const peers: number[] = [];
  for (const { endpoint: peer } of pool.members) {
    if (peer !== endpoint && peer.load.usualMs > 0) peers.push(peer.load.usualMs);
    if (peers.length === PEERS) break;
  }
  peers.sort((a, b) => a - b);
  return Math.max(endpoint.load.usualMs, peers[peers.length >> 1] ?? 0);
}
