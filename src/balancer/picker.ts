import { type Metadata, type PickArgs, type Picker, type PickResult, pickKind } from '../internal/grpc';
import type { Random } from '../internal/random';
import type { Decision } from '../policy/plan';
import type { Snapshot } from '../snapshot/snapshot';
import type { AttemptPool } from './attempt';
import type { ChannelConnection } from './connection';
import type { Endpoint } from './endpoint';
import type { BalancerHost } from './host';
import { asChannelConnection, type Pool } from './pool';
import { describeForce, describeRefusal } from './refusal';
import type { RoutedCall } from './routed-call';
import type { Topology } from './topology';

const QUEUE: PickResult = {
  pickResultType: pickKind.QUEUE,
  subchannel: null,
  status: null,
  onCallStarted: null,
  onCallEnded: null,
};

const UNAVAILABLE = 14;

/** Holds calls until there is a snapshot. */
export const waitingPicker: Picker = { pick: () => QUEUE };

export interface PickerContext {
  readonly host: BalancerHost;
  readonly attempts: AttemptPool;
  readonly createMetadata: () => Metadata;
  /** The topology of a plan other than the current one, for calls that were decided before a swap. */
  topologyUnder(decision: Decision): Topology;
}

/**
 * Picks an endpoint for an attempt: the first tier of the call's decision that can serve. Runs once an attempt; in
 * steady state it draws one random number, reads no clock and allocates nothing.
 */
export class SnapshotPicker implements Picker {
  readonly #context: PickerContext;
  readonly #snapshot: Snapshot;
  readonly #topology: Topology;
  /** Reused: a pick is synchronous and does not nest. */
  readonly #pick: { readonly random: Random; hash: number; tried: readonly Endpoint[] | undefined };

  constructor(context: PickerContext, snapshot: Snapshot, topology: Topology) {
    this.#context = context;
    this.#snapshot = snapshot;
    this.#topology = topology;
    this.#pick = { random: context.host.random, hash: -1, tried: undefined };
  }

  pick(args: PickArgs): PickResult {
    const call = args.extraPickInfo as unknown as RoutedCall;
    const { refusal } = this.#snapshot;
    if (refusal !== undefined) return this.#refuse(call, true, refusal);
    const decision = call.decision ?? this.#context.host.decideLate(call, this.#snapshot, args.metadata);
    const topology = decision.plan === this.#topology.plan ? this.#topology : this.#context.topologyUnder(decision);
    if (decision.force?.endpoint !== undefined || decision.force?.instance !== undefined) {
      const forced = this.#pickForced(call, decision, topology, args.metadata);
      if (forced !== undefined) return forced;
    }
    const tiers = topology.tiersOf(decision);
    const pick = this.#pick;
    pick.hash = call.hash;
    pick.tried = call.tried;
    for (let tier = 0; tier < tiers.length; tier += 1) {
      const pool = tiers[tier] as Pool;
      const connection = choose(pool, pick);
      if (connection !== undefined) return this.#complete(call, connection, pool.subset, tier, args.metadata);
      // A tier that is only just connecting is waited for (up to the connect deadline), or calls for the canary would
      // land on its fallback whenever that one connects a millisecond earlier. Not so for a retry.
      if (pool.picker === undefined && call.tried === undefined && pool.isFirstTry) return QUEUE;
    }
    return this.#pickAgain(call, decision, topology, tiers, args.metadata);
  }

  /** Everything was tried, or nothing is connected: the least recently tried, else wait or refuse. */
  #pickAgain(
    call: RoutedCall,
    decision: Decision,
    topology: Topology,
    tiers: readonly Pool[],
    metadata: Metadata,
  ): PickResult {
    const tried = call.tried ?? [];
    for (const [at, endpoint] of tried.entries()) {
      // Tried again since: its turn is that of its latest try.
      if (tried.lastIndexOf(endpoint) > at) continue;
      for (let tier = 0; tier < tiers.length; tier += 1) {
        const pool = tiers[tier] as Pool;
        const connection = pool.members.find((member) => member.endpoint === endpoint && member.isReady);
        if (connection !== undefined) return this.#complete(call, connection, pool.subset, tier, metadata);
      }
    }
    if (tiers.some((pool) => pool.isPending)) return QUEUE;
    const why = describeRefusal(this.#context.host.service, decision, topology.membership, tiers);
    return this.#refuse(call, tiers.length === 0, why);
  }

  /** Undefined: it cannot be had, and the caller would rather go on without it. */
  #pickForced(call: RoutedCall, decision: Decision, topology: Topology, metadata: Metadata): PickResult | undefined {
    const candidates = topology.forced(decision);
    const subset = decision.destination.subset;
    const ready = candidates.filter((candidate) => candidate.isReady);
    const untried = ready.find((candidate) => call.tried?.includes(candidate.endpoint) !== true) ?? ready[0];
    if (untried !== undefined) return this.#complete(call, untried, subset, 0, metadata);
    if (decision.force?.strict === false) return undefined;
    if (candidates.some((candidate) => candidate.isPending)) return QUEUE;
    const why =
      candidates.length === 0
        ? 'no usable instance is known by that name'
        : `not connected (${candidates.find((candidate) => candidate.failure !== undefined)?.failure ?? 'unknown'})`;
    const details = `${this.#context.host.service}: forced by the caller to ${describeForce(decision)}: ${why}`;
    return this.#refuse(call, true, details);
  }

  #complete(
    call: RoutedCall,
    connection: ChannelConnection,
    subset: string,
    tier: number,
    metadata: Metadata,
  ): PickResult {
    call.isRefused = false;
    const attempt = this.#context.attempts.take();
    const result = attempt.picked(call, connection, subset, tier);
    call.observer?.attemptPicked?.(attempt, metadata);
    return result;
  }

  #refuse(call: RoutedCall, isFinal: boolean, details: string): PickResult {
    call.isRefused = isFinal;
    return {
      pickResultType: pickKind.TRANSIENT_FAILURE,
      subchannel: null,
      status: { code: UNAVAILABLE, details, metadata: this.#context.createMetadata() },
      onCallStarted: null,
      onCallEnded: null,
    };
  }
}

function choose(
  pool: Pool,
  pick: { readonly random: Random; hash: number; tried: readonly Endpoint[] | undefined },
): ChannelConnection | undefined {
  const picked = pool.picker?.pick(pick);
  if (picked === undefined) return pick.tried === undefined ? undefined : pool.scan(pick);
  const connection = asChannelConnection(picked);
  // Between a disconnect and the next refresh the picker may still name it; grpc-js would ask again in the same turn.
  return connection.isReady ? connection : pool.scan(pick);
}
