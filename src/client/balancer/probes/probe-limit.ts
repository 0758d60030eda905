import type { CallState } from '../../grpc/call-state';
import type { MethodTime } from '../attempts/methods';
import type { Endpoint } from '../endpoints/endpoint';
import type { Pool } from '../tiers/pool';

const FLOOR_MS = 100;
/** An answer that takes longer than so many times the usual one is not to be waited for... */
const USUAL_FACTOR = 3;
/** ...but where answers are quick their spread is wide: up to a second, so many times the usual one. */
const QUICK_FACTOR = 10;
const QUICK_LIMIT_MS = 1_000;
/** What usually takes longer is not cut off. */
const LONG_MS = 10_000;
/** Peers that are asked how slow they were; a pool may have thousands. */
const PEERS = 16;

/**
 * How long a probe may take before its call is sent to another endpoint. Undefined: as long as its caller waits, where
 * it could not be tried again, is not known to be unary, or nobody has answered yet and quick cannot be told from slow.
 */
export function probeLimitMs(call: CallState, time: MethodTime, endpoint: Endpoint, pool: Pool): number | undefined {
  if (!call.canTryAgain || call.kind !== 'unary') return undefined;
  const usualMs = usualOf(time, endpoint, pool);
  if (usualMs === 0 || usualMs >= LONG_MS) return undefined;
  return Math.max(FLOOR_MS, USUAL_FACTOR * usualMs, Math.min(QUICK_FACTOR * usualMs, QUICK_LIMIT_MS));
}

/** How long the answer to a probe may well take. */
export function patienceMs(time: MethodTime, endpoint: Endpoint, pool: Pool): number {
  return USUAL_FACTOR * usualOf(time, endpoint, pool);
}

/**
 * Milliseconds that good answers of the method take, at the endpoint or at its peers, whichever is longer; 0 when
 * unknown.
 */
function usualOf(time: MethodTime, endpoint: Endpoint, pool: Pool): number {
  const peers: number[] = [];
  for (const { endpoint: peer } of pool.members) {
    if (peer !== endpoint && peer.load.usualMs > 0) peers.push(peer.load.usualOf(time));
    if (peers.length === PEERS) break;
  }
  peers.sort((a, b) => a - b);
  return Math.max(endpoint.load.usualOf(time), peers[peers.length >> 1] ?? 0);
}
