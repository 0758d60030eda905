import type { Random } from '../../../base/random';
import type { Connection, Endpoint } from '../endpoints/endpoint';

/**
 * Chooses among the READY connections of one pool (a subset in a datacenter). Immutable in its members: built anew when
 * they change, on the cold path; `pick` runs once an attempt, synchronously, and allocates nothing.
 */
export interface PoolPicker {
  /**
   * Undefined only when every connection of the pool is in `context.tried`. Avoids suspects while there is anyone else.
   */
  pick(context: PickContext): Connection | undefined;
  /**
   * Would the call of this hash be this endpoint's, were it no suspect? Only where calls have an endpoint of their own
   * (`ring_hash`): there suspects stay in the picker, which goes round them, so that nobody else's calls move.
   */
  owns?(connection: Connection, hash: number): boolean;
}

export interface PickContext {
  /** For the rare cases; what a picker draws in every pick comes from its own generator, seeded when it is built. */
  readonly random: Random;
  /** 32-bit unsigned hash of the call's `hashBy` label; -1 without one. */
  readonly hash: number;
  /** Endpoints that this call has already tried, oldest first; undefined on a first attempt. */
  readonly tried: readonly Endpoint[] | undefined;
  /** A stream, or a call that usually takes long: only how many such are open counts. False when left out. */
  readonly lasts?: boolean;
}

/** The part of an algorithm that names the next candidate, whether it may be used or not. */
export interface Drawing {
  /** An index into the pool. */
  draw(): number;
}

const REDRAWS = 8;
const SCAN_LIMIT = 32;

/**
 * The cold path of a pick: the call has tried somebody already, or the first draw hit a suspect. Draws again a few
 * times, which keeps to the algorithm's own shares, then walks the pool from a random place. A suspect is taken when
 * nobody better was found among the first 32, so that a pool of 10,000 suspects costs no walk through all of it.
 */
export function pickElsewhere(
  ready: readonly Connection[],
  drawing: Drawing,
  context: PickContext,
): Connection | undefined {
  let suspect: Connection | undefined;
  for (let round = 0; round < REDRAWS; round += 1) {
    const candidate = ready[drawing.draw()];
    if (candidate === undefined || wasTried(candidate, context.tried)) continue;
    if (!candidate.endpoint.load.isSuspect) return candidate;
    suspect = candidate;
  }
  return scanFrom(Math.floor(context.random() * ready.length), ready, context.tried, suspect);
}

/**
 * The first in the order of the pool that is neither tried nor suspect; else a suspect, else undefined: all were tried.
 */
export function scanFrom(
  start: number,
  ready: readonly Connection[],
  tried: readonly Endpoint[] | undefined,
  knownSuspect: Connection | undefined,
): Connection | undefined {
  let suspect = knownSuspect;
  for (let step = 0; step < ready.length; step += 1) {
    if (step >= SCAN_LIMIT && suspect !== undefined) break;
    const candidate = ready[(start + step) % ready.length];
    if (candidate === undefined || wasTried(candidate, tried)) continue;
    if (!candidate.endpoint.load.isSuspect) return candidate;
    suspect ??= candidate;
  }
  return suspect;
}

export function wasTried(candidate: Connection, tried: readonly Endpoint[] | undefined): boolean {
  return tried?.includes(candidate.endpoint) ?? false;
}
