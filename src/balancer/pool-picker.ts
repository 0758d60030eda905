import type { Random } from '../internal/random';
import type { BalancingPlan } from '../policy/plan';
import type { Connection, Endpoint } from './endpoint';

/**
 * Chooses among the READY connections of one pool (a subset in a datacenter). Immutable in its members: built anew when
 * they change, on the cold path; `pick` runs once an attempt, synchronously, and allocates nothing.
 */
export interface PoolPicker {
  /** Undefined only when every connection of the pool is in `context.tried`. */
  pick(context: PickContext): Connection | undefined;
}

export interface PickContext {
  readonly random: Random;
  /** Hash of the call's `hashBy` label; -1 without one. */
  readonly hash: number;
  /** Endpoints that this call has already tried, oldest first; undefined on a first attempt. */
  readonly tried: readonly Endpoint[] | undefined;
}

/** `ready` is never empty and never changes afterwards; weights are read from the endpoints when the picker is built. */
export type CreatePoolPicker = (ready: readonly Connection[], balancing: BalancingPlan, random: Random) => PoolPicker;
