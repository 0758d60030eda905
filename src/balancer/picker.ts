import { type Metadata, type PickArgs, type Picker, type PickResult, pickKind } from '../internal/grpc';
import type { Random } from '../internal/random';
import type { Decision } from '../policy/plan';
import type { Snapshot } from '../snapshot/snapshot';
import type { AttemptPool } from './attempt';
import type { ChannelConnection } from './connection';
import type { Endpoint } from './endpoint';
import { countForCap, mayUse, ownTiers } from './fallback-use';
import { changeHeaders } from './header-changes';
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
    const { telemetry, clock } = this.#context.host;
    if (telemetry?.picks.isDue() !== true) return this.#pickFor(args);
    const beganAtMs = clock.now();
    const result = this.#pickFor(args);
    telemetry.picks.took(clock.now() - beganAtMs);
    return result;
  }

  #pickFor(args: PickArgs): PickResult {
    const call = args.extraPickInfo as unknown as RoutedCall;
    const { refusal } = this.#snapshot;
    if (refusal !== undefined) return this.#refuse(call, true, refusal);
    const decision = call.decision ?? this.#context.host.decideLate(call, this.#snapshot, args.metadata);
    const topology = decision.plan === this.#topology.plan ? this.#topology : this.#context.topologyUnder(decision);
    if (decision.force?.endpoint !== undefined || decision.force?.instance !== undefined) {
      const forced = this.#pickForced(call, decision, topology, args.metadata);
      if (forced !== undefined) return forced;
    }
    call.rejectedAt = undefined;
    // A hedge that may not be sent waits for the attempt that is out; refused or dropped it would end the whole call.
    if (call.inFlight > 0 && !this.#context.host.mayHedge()) return QUEUE;
    const { fallbackCaps } = this.#context.host.breakers;
    if (!fallbackCaps.isEmpty) countForCap(call, fallbackCaps);
    const tiers = topology.tiersOf(decision);
    this.#pick.hash = call.hash;
    this.#pick.tried = call.tried;
    return (
      this.#pickInOrder(call, tiers, true, args.metadata) ??
      this.#pickInOrder(call, tiers, false, args.metadata) ??
      this.#pickAnyway(call, decision, topology, ownTiers(call, tiers), args.metadata)
    );
  }

  /**
   * The first tier that can serve. With `isChoosy` a tier passes on what it spills, all of it when nobody in it is well or
   * its subset is shed, as long as a later one can take it; without, only a shed subset is passed over.
   */
  #pickInOrder(
    call: RoutedCall,
    tiers: readonly Pool[],
    isChoosy: boolean,
    metadata: Metadata,
  ): PickResult | undefined {
    const first = isChoosy && call.tried !== undefined && call.isLastAttempt ? this.#fallbackFrom(call, tiers) : 0;
    for (let tier = first; tier < tiers.length; tier += 1) {
      const pool = tiers[tier] as Pool;
      if (!mayUse(call, pool, this.#context.host.breakers.fallbackCaps)) continue;
      if (pool.subsetBreaker !== undefined && this.#isShed(pool, tiers, tier)) {
        call.rejectedAt ??= pool;
        continue;
      }
      if (pool.probes.length > 0) {
        const probe = this.#probe(call, pool);
        if (probe !== undefined) return this.#complete(call, probe, pool, tier, metadata);
      }
      if (pool.shunned.length > 0 && call.tried === undefined) {
        const measured = pool.toMeasure(this.#context.host.endpoints.nowMs);
        if (measured !== undefined) return this.#complete(call, measured, pool, tier, metadata);
      }
      if (isChoosy && pool.spill.isPartial && this.#spills(call, pool, tiers, tier)) {
        if (pool.isAllBad && pool.connected.length > 0) call.rejectedAt ??= pool;
        continue;
      }
      if (pool.isAllBad && pool.picker !== undefined) {
        call.rejectedAt ??= pool;
        continue;
      }
      const connection = choose(pool, this.#pick);
      if (connection !== undefined) return this.#complete(call, connection, pool, tier, metadata);
      if (call.tried !== undefined && hasWrittenOrder(call)) {
        const again = this.#pickAgain(call, tiers.slice(0, tier + 1), metadata, tier);
        if (again !== undefined) return again;
      }
      // A tier that is only just connecting is waited for (up to the connect deadline), or calls for the canary would
      // land on its fallback whenever that one connects a millisecond earlier. Not so for a retry.
      if (pool.picker === undefined && call.tried === undefined && pool.isFirstTry) return QUEUE;
    }
    return undefined;
  }

  /**
   * Where a call's last attempt begins: with the fallback, since a version that fails every call would fail this one too
   * whoever of it is asked.
   */
  #fallbackFrom(call: RoutedCall, tiers: readonly Pool[]): number {
    if (hasWrittenOrder(call)) return 0;
    const wanted = tiers[0]?.subset;
    for (let tier = 1; tier < tiers.length; tier += 1) {
      const pool = tiers[tier] as Pool;
      if (pool.subset !== wanted && pool.picker !== undefined && !pool.isAllBad && !this.#isOpen(pool)) return tier;
    }
    return 0;
  }

  /** A subset whose breaker is open goes to its fallback, except for the trickle that a half-open one lets through. */
  #isShed(pool: Pool, tiers: readonly Pool[], tier: number): boolean {
    const { breakers, endpoints } = this.#context.host;
    if (!breakers.isShed(pool.subset, pool.datacenter, endpoints.nowMs)) {
      pool.subsetBreaker?.offer(endpoints.nowMs);
      return false;
    }
    // Shedding needs somebody to shed to: a strict route, or the last subset of its chain, has nobody.
    for (let later = tier + 1; later < tiers.length; later += 1) {
      if ((tiers[later] as Pool).subset !== pool.subset) return true;
    }
    return false;
  }

  #spills(call: RoutedCall, pool: Pool, tiers: readonly Pool[], tier: number): boolean {
    // A retry goes to whoever has not been tried yet, here first.
    if (call.tried !== undefined && !pool.isAllBad) return false;
    const { random, endpoints } = this.#context.host;
    const share = pool.spill.share(endpoints.nowMs);
    if (share >= 1 || random() < share) return false;
    for (let later = tier + 1; later < tiers.length; later += 1) {
      const next = tiers[later] as Pool;
      if (next.picker !== undefined && !next.isAllBad && !this.#isOpen(next)) return true;
    }
    return false;
  }

  #isOpen(pool: Pool): boolean {
    return pool.subsetBreaker !== undefined && pool.subsetBreaker.state !== 'closed';
  }

  /** A held-out or doubtful endpoint that is due, for a call that can be tried again elsewhere; for any call if none such comes. */
  #probe(call: RoutedCall, pool: Pool): ChannelConnection | undefined {
    if (!call.mayRetry && !pool.isProbeOverdue()) return undefined;
    const { nowMs } = this.#context.host.endpoints;
    for (const candidate of pool.probes) {
      const { breaker } = candidate.endpoint;
      if (!candidate.isReady || breaker === undefined || !breaker.isDue(nowMs)) continue;
      if (call.tried?.includes(candidate.endpoint) === true) continue;
      breaker.offer(nowMs);
      return candidate;
    }
    return undefined;
  }

  /** No tier is fit to serve: the least recently tried, else anybody who is connected, else wait or refuse. */
  #pickAnyway(
    call: RoutedCall,
    decision: Decision,
    topology: Topology,
    tiers: readonly Pool[],
    metadata: Metadata,
  ): PickResult {
    return (
      this.#panic(call, tiers, metadata) ??
      this.#pickAgain(call, tiers, metadata) ??
      (tiers.some((pool) => pool.isPending) ? QUEUE : this.#refuseAll(call, decision, topology, tiers))
    );
  }

  /** The whole list is bad: breakers are ignored and calls spread evenly over everyone connected. */
  #panic(call: RoutedCall, tiers: readonly Pool[], metadata: Metadata): PickResult | undefined {
    let count = 0;
    for (const pool of tiers) count += pool.connected.length;
    const start = Math.floor(this.#context.host.random() * count);
    for (let step = 0; step < count; step += 1) {
      let at = (start + step) % count;
      for (let tier = 0; tier < tiers.length; tier += 1) {
        const pool = tiers[tier] as Pool;
        const connection = pool.connected[at];
        if (connection === undefined) {
          at -= pool.connected.length;
          continue;
        }
        if (!connection.isReady || call.tried?.includes(connection.endpoint) === true) break;
        return this.#complete(call, connection, pool, tier, metadata, true);
      }
    }
    return undefined;
  }

  /** The least recently tried, in the tiers from `first` on. */
  #pickAgain(call: RoutedCall, tiers: readonly Pool[], metadata: Metadata, first = 0): PickResult | undefined {
    const tried = call.tried ?? [];
    for (const [at, endpoint] of tried.entries()) {
      // Tried again since: its turn is that of its latest try.
      if (tried.lastIndexOf(endpoint) > at) continue;
      for (let tier = first; tier < tiers.length; tier += 1) {
        const pool = tiers[tier] as Pool;
        const connection = pool.members.find((member) => member.endpoint === endpoint && member.isReady);
        if (connection !== undefined) return this.#complete(call, connection, pool, tier, metadata);
      }
    }
    return undefined;
  }

  #refuseAll(call: RoutedCall, decision: Decision, topology: Topology, tiers: readonly Pool[]): PickResult {
    const why = describeRefusal(
      this.#context.host.service,
      decision,
      topology.membership,
      tiers,
      call.fallbackUse === 'denied',
    );
    const staleness = this.#context.host.staleness?.();
    return this.#refuse(call, tiers.length === 0, staleness === undefined ? why : `${why}; ${staleness}`);
  }

  /** Undefined: it cannot be had, and the caller would rather go on without it. */
  #pickForced(call: RoutedCall, decision: Decision, topology: Topology, metadata: Metadata): PickResult | undefined {
    const candidates = topology.forced(decision);
    const ready = candidates.filter(({ connection }) => connection.isReady);
    const chosen = ready.find(({ connection }) => call.tried?.includes(connection.endpoint) !== true) ?? ready[0];
    if (chosen !== undefined) return this.#complete(call, chosen.connection, chosen.pool, 0, metadata);
    if (call.tried === undefined && candidates.some(({ connection }) => connection.isFirstTry)) return QUEUE;
    if (decision.force?.strict === false) return undefined;
    if (candidates.some(({ connection }) => connection.isPending)) return QUEUE;
    const failure = candidates.find(({ connection }) => connection.failure !== undefined)?.connection.failure;
    const why =
      candidates.length === 0 ? 'no usable instance is known by that name' : `not connected (${failure ?? 'unknown'})`;
    const details = `${this.#context.host.service}: forced by the caller to ${describeForce(decision)}: ${why}`;
    return this.#refuse(call, true, details);
  }

  #complete(
    call: RoutedCall,
    connection: ChannelConnection,
    pool: Pool,
    tier: number,
    metadata: Metadata,
    isPanic = false,
  ): PickResult {
    call.isRefused = false;
    const attempt = this.#context.attempts.take();
    const result = attempt.picked(call, connection, pool, tier, isPanic);
    const changes = call.decision?.requestHeaders;
    if (changes !== undefined) changeHeaders(metadata, changes);
    call.observer?.attemptPicked?.(attempt, metadata);
    return result;
  }

  #refuse(call: RoutedCall, isFinal: boolean, details: string): PickResult {
    if (call.tried !== undefined && call.lastCode >= 0) this.#context.host.retryUnused();
    call.isRefused = isFinal;
    call.lastCode = -1;
    call.wasProbe = false;
    return {
      pickResultType: pickKind.TRANSIENT_FAILURE,
      subchannel: null,
      status: { code: UNAVAILABLE, details, metadata: this.#context.createMetadata() },
      onCallStarted: null,
      onCallEnded: null,
    };
  }
}

/** Of a discovery chain: the next tier is for when nobody in this one is well, and neither a fallback nor a second try. */
function hasWrittenOrder(call: RoutedCall): boolean {
  return call.decision?.destination.tiers !== undefined;
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
