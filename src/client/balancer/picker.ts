import type { Random } from '../../base/random';
import type { Snapshot } from '../../policy/membership/snapshot';
import type { Decision, HeaderChanges } from '../../policy/plan';
import type { CallState } from '../grpc/call-state';
import { type Metadata, type PickArgs, type Picker, type PickResult, pickKind } from '../grpc/grpc-js';
import type { AttemptPool } from './attempts/attempt';
import { isStreamCall } from './attempts/methods';
import type { BalancerContext } from './context';
import type { ChannelConnection } from './endpoints/connection';
import type { Endpoint } from './endpoints/endpoint';
import type { PickContext } from './pickers/pool-picker';
import {
  anybodyConnected,
  anybodyReadyNow,
  countForCap,
  hasWrittenOrder,
  isShed,
  lastAttemptFrom,
  leastRecentlyTried,
  mayUse,
  ownTiers,
  spills,
} from './tiers/order';
import type { Pool } from './tiers/pool';
import { describeForce, describeFull, describeRefusal } from './tiers/refusal';
import { NO_TIERS, type Tiers, type Topology } from './tiers/topology';

/** In `SnapshotPicker` for `#queue()` alone, which makes a note of it. */
const QUEUE: PickResult = {
  pickResultType: pickKind.QUEUE,
  subchannel: null,
  status: null,
  onCallStarted: null,
  onCallEnded: null,
};

const INTERNAL = 13;
const UNAVAILABLE = 14;

/** Holds calls until there is a snapshot. */
export const waitingPicker: Picker = { pick: () => QUEUE };

/** What the pickers of a group of channels go by. Changes under them, so that they need not be replaced. */
export interface PickerGroup {
  readonly context: BalancerContext;
  readonly attempts: AttemptPool;
  readonly snapshot: Snapshot;
  readonly topology: Topology;
  readonly createMetadata: () => Metadata;
  /** Connections have changed since pools were last refreshed. */
  readonly isBehind: boolean;
  /** The topology of a plan other than the current one, for calls that were decided before a swap. */
  topologyUnder(decision: Decision): Topology;
}

/**
 * Picks an endpoint for an attempt of one channel's call: the first tier of the call's decision that can serve. Runs
 * once an attempt; in steady state it draws one random number, reads no clock and allocates nothing.
 */
export class SnapshotPicker implements Picker {
  /** Some call of the channel may wait to be picked again: grpc-js does that only when it is given a picker. */
  hasWaiting = false;
  readonly #group: PickerGroup;
  readonly #context: BalancerContext;
  readonly #now = (): number => this.#context.clock.now();
  /** Reused: a pick is synchronous and does not nest. */
  readonly #pick: {
    readonly random: Random;
    hash: number;
    tried: readonly Endpoint[] | undefined;
    lasts: boolean;
  };

  /** What the pick goes by: the topology of the call's plan, and the tiers of its decision. */
  #topology: Topology | undefined;
  #tiers: Tiers = NO_TIERS;

  constructor(group: PickerGroup) {
    this.#group = group;
    this.#context = group.context;
    this.#pick = { random: group.context.random, hash: -1, tried: undefined, lasts: false };
  }

  pick(args: PickArgs): PickResult {
    const { telemetry, clock } = this.#context;
    if (telemetry?.picks.isDue() !== true) return this.#pickFor(args);
    const beganAtMs = clock.now();
    const result = this.#pickFor(args);
    telemetry.picks.took(clock.now() - beganAtMs);
    return result;
  }

  #pickFor(args: PickArgs): PickResult {
    const call = args.extraPickInfo as unknown as CallState;
    const { snapshot, topology: current } = this.#group;
    const { refusal } = snapshot;
    if (refusal !== undefined) return this.#refuse(call, true, refusal);
    if (call.unsentReason !== undefined) return this.#unsent(call, call.unsentReason);
    const decision = call.decision ?? this.#decideLate(call, snapshot, args.metadata);
    const topology = decision.plan === current.plan ? current : this.#group.topologyUnder(decision);
    this.#topology = topology;
    if (decision.force?.endpoint !== undefined || decision.force?.instance !== undefined) {
      const forced = this.#pickForced(call, decision, topology, args.metadata);
      if (forced !== undefined) return forced;
    }
    call.rejectedAt = undefined;
    // A hedge that may not be sent waits for the attempt that is out; refused or dropped it would end the whole call.
    if (call.inFlight > 0 && !this.#context.mayHedge()) return this.#queue();
    if (topology.hasFallbackCaps) countForCap(call, this.#context.breakers);
    const isNarrowed = decision.datacenters !== undefined || decision.force?.datacenter !== undefined;
    const { index } = decision.destination;
    this.#tiers = isNarrowed
      ? topology.narrowedTiers(decision)
      : ((index < 0 ? topology.laneTiers(decision) : topology.tiers[index]) ?? NO_TIERS);
    const tiers = this.#tiers.pools;
    this.#pick.hash = call.hash;
    this.#pick.tried = call.tried;
    call.time ??= this.#context.endpoints.methods.of(call.method);
    this.#pick.lasts = call.time.isLong || isStreamCall(call.kind, call.time);
    return (
      this.#pickInOrder(call, tiers, true, args.metadata) ??
      this.#pickInOrder(call, tiers, false, args.metadata) ??
      this.#pickAnyway(call, decision, ownTiers(call, tiers), args.metadata)
    );
  }

  /** A call that was handed to grpc-js before anything was known is decided at its first pick. */
  #decideLate(call: CallState, snapshot: Snapshot, metadata: Metadata): Decision {
    const decision = this.#context.state.decide(call, snapshot, metadata);
    call.decided(true);
    return decision;
  }

  /**
   * The first tier that can serve. With `isChoosy` a tier passes on what it spills, all of it when nobody in it is well
   * or its subset is shed, as long as a later one can take it; without, only a shed subset is passed over.
   */
  #pickInOrder(call: CallState, tiers: readonly Pool[], isChoosy: boolean, metadata: Metadata): PickResult | undefined {
    const context = this.#context;
    const isLast = isChoosy && call.tried !== undefined && call.isLastAttempt;
    const first = isLast ? lastAttemptFrom(context, call, tiers) : 0;
    for (let tier = first; tier < tiers.length; tier += 1) {
      const pool = tiers[tier] as Pool;
      if (this.#topology?.hasFallbackCaps === true && !mayUse(call, pool, context.breakers)) continue;
      if (pool.limit?.isFull(this.#now) === true) continue;
      if (call.hashes !== undefined) this.#pick.hash = hashAt(call, pool);
      if (pool.subsetBreaker !== undefined && isShed(context, tiers, tier)) {
        call.rejectedAt ??= pool;
        continue;
      }
      if (pool.probes.length > 0) {
        const probe = this.#probe(call, pool);
        if (probe !== undefined) return this.#complete(call, probe, pool, metadata);
      }
      if (pool.deprioritized.length > 0 && call.tried === undefined) {
        const measured = pool.toMeasure(context.endpoints.nowMs);
        if (measured !== undefined) return this.#complete(call, measured, pool, metadata);
      }
      if (pool.suspects.length > 0 && call.tried === undefined && call.isProbeable) {
        const looked = pool.toLookAt(call.mayRetry, this.#pick.hash, context.endpoints.nowMs);
        if (looked !== undefined) return this.#complete(call, looked, pool, metadata);
      }
      if (isChoosy && pool.spill.isPartial && spills(context, call, tiers, tier)) {
        if (pool.isAllBad && pool.connected.length > 0) call.rejectedAt ??= pool;
        continue;
      }
      if (pool.isAllBad && pool.picker !== undefined) {
        call.rejectedAt ??= pool;
        continue;
      }
      const connection = choose(pool, this.#pick) ?? this.#connectedSince(call, pool);
      if (connection !== undefined) return this.#complete(call, connection, pool, metadata);
      if (call.tried !== undefined && hasWrittenOrder(call)) {
        const again = leastRecentlyTried(call, tiers.slice(0, tier + 1), tier);
        if (again !== undefined) return this.#complete(call, again.connection, again.pool, metadata);
      }
      // A tier that is only just connecting is waited for (up to the connect deadline), or calls for the canary would
      // land on its fallback whenever that one connects a millisecond earlier. Not so for a retry.
      if (pool.picker === undefined && call.tried === undefined && pool.isFirstTry) return this.#queue();
    }
    return undefined;
  }

  #connectedSince(call: CallState, pool: Pool): ChannelConnection | undefined {
    return pool.picker === undefined && this.#group.isBehind ? pool.connectedSince(call.tried) : undefined;
  }

  /**
   * A held-out or doubtful endpoint that this call is to probe. One that passed its health check takes any call with a
   * single response; else the call should be one that can be tried again elsewhere, unless none such comes.
   */
  #probe(call: CallState, pool: Pool): ChannelConnection | undefined {
    const { endpoints } = this.#context;
    const { nowMs } = endpoints;
    const isGood = call.isProbeable;
    if (!isGood && !endpoints.isStreamsOnly(nowMs)) return undefined;
    let isFit = isGood && call.mayRetry;
    let isAsked = isFit;
    for (const candidate of pool.probes) {
      const { breaker } = candidate.endpoint;
      if (!candidate.isReady || breaker === undefined || !breaker.isDue(nowMs)) continue;
      if (call.tried?.includes(candidate.endpoint) === true) continue;
      if (!isGood || !breaker.isVouched(nowMs)) {
        if (!isAsked) isFit = pool.isProbeOverdue();
        isAsked = true;
        if (!isFit) continue;
      }
      breaker.offer(nowMs);
      return candidate;
    }
    return undefined;
  }

  /**
   * No tier is fit to serve. Where some subset of the call's is full the call waits; else those that are not full serve
   * as they can.
   */
  #pickAnyway(call: CallState, decision: Decision, tiers: readonly Pool[], metadata: Metadata): PickResult {
    const context = this.#context;
    const full = context.limits.isEmpty ? undefined : tiers.find((pool) => pool.limit?.isReached === true)?.limit;
    if (full === undefined) return this.#pickAnybody(call, decision, tiers, metadata);
    // Refused, a hedge would end the attempt that is out.
    if (call.inFlight > 0) return this.#queue();
    const waitMs = full.waitsFor(call, context.clock.now(), context.state.connectDeadlineMs);
    if (waitMs > 0) {
      context.limits.lookAgainIn(waitMs);
      return this.#queue();
    }
    const others = tiers.filter((pool) => pool.limit?.isReached !== true);
    if (others.length > 0) return this.#pickAnybody(call, decision, others, metadata);
    full.refused += 1;
    context.telemetry?.counts.refusedAtLimit(full.subset);
    if (metadata.getOptions().waitForReady === true) full.await();
    return this.#refuse(call, true, describeFull(context.service, decision, tiers));
  }

  /** Anybody untried who is connected, else the least recently tried, else wait or refuse. */
  #pickAnybody(call: CallState, decision: Decision, tiers: readonly Pool[], metadata: Metadata): PickResult {
    const { random, service, state } = this.#context;
    const panic = anybodyConnected(call, tiers, random);
    if (panic !== undefined) return this.#complete(call, panic.connection, panic.pool, metadata, true);
    const again = leastRecentlyTried(call, tiers, 0);
    if (again !== undefined) return this.#complete(call, again.connection, again.pool, metadata);
    // grpc-js neither refuses a call nor lets it wait while a connection is READY: so here, be it new or not believed
    // yet.
    const late = anybodyReadyNow(tiers, this.#group.isBehind);
    if (late !== undefined) return this.#complete(call, late.connection, late.pool, metadata, true);
    if (tiers.some((pool) => pool.isPending)) return this.#queue();
    const { membership } = this.#topology as Topology;
    const asked = { labels: call.labels, clock: this.#context.clock };
    const why = describeRefusal(service, decision, membership, tiers, call.fallbackUse === 'denied', asked);
    const staleness = state.staleness();
    return this.#refuse(call, tiers.length === 0, staleness === undefined ? why : `${why}; ${staleness}`);
  }

  /** Undefined: it cannot be had, and the caller would rather go on without it. */
  #pickForced(call: CallState, decision: Decision, topology: Topology, metadata: Metadata): PickResult | undefined {
    const candidates = topology.forced(decision);
    this.#tiers = NO_TIERS;
    const ready = candidates.filter(({ connection }) => connection.isReady);
    const chosen = ready.find(({ connection }) => call.tried?.includes(connection.endpoint) !== true) ?? ready[0];
    if (chosen !== undefined) return this.#complete(call, chosen.connection, chosen.pool, metadata);
    if (call.tried === undefined) {
      const isComing = candidates.some(({ connection }) => connection.isFirstTry) || topology.isForcedMissing(decision);
      if (isComing) return this.#queue();
    }
    if (decision.force?.strict === false) return undefined;
    const late = candidates.find(({ connection }) => connection.isConnected);
    if (late !== undefined) return this.#complete(call, late.connection, late.pool, metadata);
    if (candidates.some(({ connection }) => connection.isPending)) return this.#queue();
    if (candidates.length === 0 && topology.pools.some((pool) => pool.missing > 0)) return this.#queue();
    const failure = candidates.find(({ connection }) => connection.failure !== undefined)?.connection.failure;
    const why =
      candidates.length === 0 ? 'no usable instance is known by that name' : `not connected (${failure ?? 'unknown'})`;
    const details = `${this.#context.service}: forced by the caller to ${describeForce(decision)}: ${why}`;
    return this.#refuse(call, true, details);
  }

  #complete(
    call: CallState,
    connection: ChannelConnection,
    pool: Pool,
    metadata: Metadata,
    isPanic = false,
  ): PickResult {
    // Those that connect any moment have places; else the endpoint gets a further connection. Then its peer's queue has
    // to do.
    if (connection.isFull && (pool.isFirstTry || connection.widen())) return this.#queue();
    call.isRefused = false;
    pool.limit?.leave(call);
    const attempt = this.#group.attempts.take();
    const { pools, numbers } = this.#tiers;
    const result = attempt.picked(call, connection, pool, numbers[pools.indexOf(pool)] ?? 0, isPanic);
    const changes = call.decision?.requestHeaders;
    if (changes !== undefined) changeHeaders(metadata, changes);
    call.observer?.attemptPicked?.(attempt, metadata);
    return result;
  }

  /** The call is picked again when the channel is told of a change. */
  #queue(): PickResult {
    this.hasWaiting = true;
    return QUEUE;
  }

  /** Dropped, since grpc-js would hold a call that waits for ready. A hedge waits for the attempt that is out. */
  #unsent(call: CallState, reason: string): PickResult {
    if (call.inFlight > 0) return this.#queue();
    call.isRefused = true;
    const details = `${this.#context.service}: ${reason}`;
    const status = { code: INTERNAL, details, metadata: this.#group.createMetadata() };
    return { pickResultType: pickKind.DROP, subchannel: null, status, onCallStarted: null, onCallEnded: null };
  }

  #refuse(call: CallState, isFinal: boolean, details: string): PickResult {
    // A call that waits for ready is queued by grpc-js.
    this.hasWaiting = true;
    if (call.tried !== undefined && call.lastCode >= 0) this.#context.retryUnused();
    call.isRefused = isFinal;
    call.isPicked = false;
    call.lastEnding = 'none';
    call.lastCode = -1;
    call.wasLess = false;
    call.pushbackMs = undefined;
    call.wasProbe = false;
    return {
      pickResultType: pickKind.TRANSIENT_FAILURE,
      subchannel: null,
      status: { code: UNAVAILABLE, details, metadata: this.#group.createMetadata() },
      onCallStarted: null,
      onCallEnded: null,
    };
  }
}

/** Where the call is placed on the ring of this pool, where subsets hash by labels of their own. */
function hashAt({ hash, hashes, decision }: CallState, { subset }: Pool): number {
  return hashes?.[decision?.destination.chain.indexOf(subset) ?? -1] ?? hash;
}

/** Undefined: nobody in the pool can take it now. */
export function choose(pool: Pool, pick: PickContext): ChannelConnection | undefined {
  const picked = pool.picker?.pick(pick);
  if (picked === undefined) return pick.tried === undefined ? undefined : pool.scan(pick);
  // What a pool picker returns is one of the connections that it was made of.
  const connection = picked as ChannelConnection;
  // Between a disconnect and the next refresh the picker may still name it; grpc-js would ask again in the same turn.
  if (!connection.isReady) return pool.scan(pick);
  return connection.isFull ? (pool.withRoom(connection, pick) ?? pool.widened(connection, pick)) : connection;
}

/**
 * Changes what one attempt sends. `metadata` is the attempt's own; of several lists the later one has the last word.
 */
export function changeHeaders(metadata: Metadata, lists: readonly HeaderChanges[]): void {
  for (const { remove, add, set } of lists) {
    for (const key of remove) metadata.remove(key);
    for (const [key, value] of add) metadata.add(key, value);
    for (const [key, value] of set) metadata.set(key, value);
  }
}
