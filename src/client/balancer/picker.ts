import type { Random } from '../../base/random';
import type { Snapshot } from '../../policy/membership/snapshot';
import type { Decision, HeaderChanges } from '../../policy/plan';
import { type Metadata, type PickArgs, type Picker, type PickResult, pickKind } from '../grpc/grpc-js';
import type { AttemptPool } from './attempts/attempt';
import { lasts } from './attempts/methods';
import type { RoutedCall } from './attempts/routed-call';
import type { BalancerHost } from './context';
import type { ChannelConnection } from './endpoints/connection';
import type { Endpoint } from './endpoints/endpoint';
import type { SubsetLimit } from './limits/subset-limits';
import type { PickContext } from './pickers/pool-picker';
import { isProbeCall } from './probes/probe-traffic';
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
import { asChannelConnection, type Pool } from './tiers/pool';
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
export interface PickerContext {
  readonly host: BalancerHost;
  readonly attempts: AttemptPool;
  readonly snapshot: Snapshot;
  readonly topology: Topology;
  readonly createMetadata: () => Metadata;
  /** Connections have changed since pools were last refreshed. */
  isBehind(): boolean;
  /** The topology of a plan other than the current one, for calls that were decided before a swap. */
  topologyUnder(decision: Decision): Topology;
}

/**
 * Picks an endpoint for an attempt of one channel's call: the first tier of the call's decision that can serve. Runs once
 * an attempt; in steady state it draws one random number, reads no clock and allocates nothing.
 */
export class SnapshotPicker implements Picker {
  /** Some call of the channel may wait to be picked again: grpc-js does that only when it is given a picker. */
  hasWaiting = false;
  readonly #context: PickerContext;
  readonly #now = (): number => this.#context.host.clock.now();
  /** Reused: a pick is synchronous and does not nest. */
  readonly #pick: {
    readonly random: Random;
    hash: number;
    tried: readonly Endpoint[] | undefined;
    lasts: boolean;
  };

  /** Those that the pick goes by. */
  #tiers: Tiers = NO_TIERS;

  constructor(context: PickerContext) {
    this.#context = context;
    this.#pick = { random: context.host.random, hash: -1, tried: undefined, lasts: false };
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
    const { snapshot } = this.#context;
    const current = this.#context.topology;
    const { refusal } = snapshot;
    if (refusal !== undefined) return this.#refuse(call, true, refusal);
    if (call.unsentReason !== undefined) return this.#unsent(call, call.unsentReason);
    const decision = call.decision ?? this.#context.host.decideLate(call, snapshot, args.metadata);
    const topology = decision.plan === current.plan ? current : this.#context.topologyUnder(decision);
    if (decision.force?.endpoint !== undefined || decision.force?.instance !== undefined) {
      const forced = this.#pickForced(call, decision, topology, args.metadata);
      if (forced !== undefined) return forced;
    }
    call.rejectedAt = undefined;
    // A hedge that may not be sent waits for the attempt that is out; refused or dropped it would end the whole call.
    if (call.inFlight > 0 && !this.#context.host.mayHedge()) return this.#queue();
    const { fallbackCaps } = this.#context.host.breakers;
    if (!fallbackCaps.isEmpty) countForCap(call, fallbackCaps);
    this.#tiers = topology.tiersOf(decision);
    const tiers = this.#tiers.pools;
    this.#pick.hash = call.hash;
    this.#pick.tried = call.tried;
    this.#pick.lasts = lasts(call, this.#context.host.methodTimes);
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
    const { host } = this.#context;
    const isLast = isChoosy && call.tried !== undefined && call.isLastAttempt;
    const first = isLast ? lastAttemptFrom(host, call, tiers) : 0;
    for (let tier = first; tier < tiers.length; tier += 1) {
      const pool = tiers[tier] as Pool;
      if (!mayUse(call, pool, host.breakers.fallbackCaps)) continue;
      if (pool.limit?.isFull(this.#now) === true) continue;
      if (isShed(host, tiers, tier)) {
        call.rejectedAt ??= pool;
        continue;
      }
      if (pool.probes.length > 0) {
        const probe = this.#probe(call, pool);
        if (probe !== undefined) return this.#complete(call, probe, pool, metadata);
      }
      if (pool.shunned.length > 0 && call.tried === undefined) {
        const measured = pool.toMeasure(host.endpoints.nowMs);
        if (measured !== undefined) return this.#complete(call, measured, pool, metadata);
      }
      if (pool.suspects.length > 0 && call.tried === undefined && isProbeCall(call)) {
        const looked = pool.toLookAt(call, host.endpoints.nowMs);
        if (looked !== undefined) return this.#complete(call, looked, pool, metadata);
      }
      if (isChoosy && spills(host, call, tiers, tier)) {
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

  #connectedSince(call: RoutedCall, pool: Pool): ChannelConnection | undefined {
    return pool.picker === undefined && this.#context.isBehind() ? pool.connectedSince(call.tried) : undefined;
  }

  /**
   * A held-out or doubtful endpoint that this call is to probe. One that passed its health check takes any call with a
   * single response; else the call should be one that can be tried again elsewhere, unless none such comes.
   */
  #probe(call: RoutedCall, pool: Pool): ChannelConnection | undefined {
    const { nowMs, probeTraffic } = this.#context.host.endpoints;
    const isGood = isProbeCall(call);
    if (!isGood && !probeTraffic.isStreamsOnly(nowMs)) return undefined;
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

  /** No tier is fit to serve: anybody untried who is connected, else the least recently tried, else wait or refuse. */
  #pickAnyway(
    call: RoutedCall,
    decision: Decision,
    topology: Topology,
    tiers: readonly Pool[],
    metadata: Metadata,
  ): PickResult {
    if (!(this.#context.host.limits?.isEmpty ?? true)) {
      const full = tiers.find((pool) => pool.limit?.isReached === true)?.limit;
      if (full !== undefined) return this.#pickFull(call, decision, topology, tiers, full, metadata);
    }
    return this.#pickAnybody(call, decision, topology, tiers, metadata);
  }

  /** Some subset of the call's is full, and no other tier is fit to serve: it waits; else those that are not full serve as they can. */
  #pickFull(
    call: RoutedCall,
    decision: Decision,
    topology: Topology,
    tiers: readonly Pool[],
    full: SubsetLimit,
    metadata: Metadata,
  ): PickResult {
    const { host } = this.#context;
    // Refused, a hedge would end the attempt that is out.
    if (call.inFlight > 0) return this.#queue();
    const waitMs = full.waitsFor(call, host.clock.now(), host.connectDeadlineMs);
    if (waitMs > 0) {
      host.limits?.lookAgainIn(waitMs);
      return this.#queue();
    }
    const others = tiers.filter((pool) => pool.limit?.isReached !== true);
    if (others.length > 0) return this.#pickAnybody(call, decision, topology, others, metadata);
    full.refused += 1;
    host.telemetry?.counts.refusedAtLimit(full.subset);
    if (metadata.getOptions().waitForReady === true) full.await();
    return this.#refuse(call, true, describeFull(host.service, decision, tiers));
  }

  #pickAnybody(
    call: RoutedCall,
    decision: Decision,
    topology: Topology,
    tiers: readonly Pool[],
    metadata: Metadata,
  ): PickResult {
    const panic = anybodyConnected(call, tiers, this.#context.host.random);
    if (panic !== undefined) return this.#complete(call, panic.connection, panic.pool, metadata, true);
    const again = leastRecentlyTried(call, tiers, 0);
    if (again !== undefined) return this.#complete(call, again.connection, again.pool, metadata);
    // grpc-js neither refuses a call nor lets it wait while a connection is READY: so here, be it new or not believed yet.
    const late = anybodyReadyNow(tiers, this.#context.isBehind());
    if (late !== undefined) return this.#complete(call, late.connection, late.pool, metadata, true);
    if (tiers.some((pool) => pool.isPending)) return this.#queue();
    return this.#refuseAll(call, decision, topology, tiers);
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
    this.#tiers = NO_TIERS;
    const ready = candidates.filter(({ connection }) => connection.isReady);
    const chosen = ready.find(({ connection }) => call.tried?.includes(connection.endpoint) !== true) ?? ready[0];
    if (chosen !== undefined) return this.#complete(call, chosen.connection, chosen.pool, metadata);
    if (call.tried === undefined && candidates.some(({ connection }) => connection.isFirstTry)) return this.#queue();
    if (decision.force?.strict === false) return undefined;
    const late = candidates.find(({ connection }) => connection.isConnected);
    if (late !== undefined) return this.#complete(call, late.connection, late.pool, metadata);
    if (candidates.some(({ connection }) => connection.isPending)) return this.#queue();
    if (candidates.length === 0 && topology.pools.some((pool) => pool.missing > 0)) return this.#queue();
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
    metadata: Metadata,
    isPanic = false,
  ): PickResult {
    // Those that connect any moment have places; else the endpoint gets a further connection. Then its peer's queue has to do.
    if (connection.isFull && (pool.isFirstTry || connection.widen())) return this.#queue();
    call.isRefused = false;
    pool.limit?.leave(call);
    const attempt = this.#context.attempts.take();
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
  #unsent(call: RoutedCall, reason: string): PickResult {
    if (call.inFlight > 0) return this.#queue();
    call.isRefused = true;
    const { createMetadata, host } = this.#context;
    const status = { code: INTERNAL, details: `${host.service}: ${reason}`, metadata: createMetadata() };
    return { pickResultType: pickKind.DROP, subchannel: null, status, onCallStarted: null, onCallEnded: null };
  }

  #refuse(call: RoutedCall, isFinal: boolean, details: string): PickResult {
    // A call that waits for ready is queued by grpc-js.
    this.hasWaiting = true;
    if (call.tried !== undefined && call.lastCode >= 0) this.#context.host.retryUnused();
    call.isRefused = isFinal;
    call.lastEnding = 'none';
    call.lastCode = -1;
    call.wasLess = false;
    call.pushbackMs = undefined;
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

function choose(pool: Pool, pick: PickContext): ChannelConnection | undefined {
  const picked = pool.picker?.pick(pick);
  if (picked === undefined) return pick.tried === undefined ? undefined : pool.scan(pick);
  const connection = asChannelConnection(picked);
  // Between a disconnect and the next refresh the picker may still name it; grpc-js would ask again in the same turn.
  if (!connection.isReady) return pool.scan(pick);
  return connection.isFull ? (pool.withRoom(pick) ?? connection) : connection;
}

/** Changes what one attempt sends. `metadata` is the attempt's own; of several lists the later one has the last word. */
export function changeHeaders(metadata: Metadata, lists: readonly HeaderChanges[]): void {
  for (const { remove, add, set } of lists) {
    for (const key of remove) metadata.remove(key);
    for (const [key, value] of add) metadata.add(key, value);
    for (const [key, value] of set) metadata.set(key, value);
  }
}
