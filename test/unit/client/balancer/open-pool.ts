import { systemClock } from '../../../../src/base/clock';
import type { Random } from '../../../../src/base/random';
import { ChannelConnection, type ConnectionOwner } from '../../../../src/client/balancer/endpoints/connection';
import type { Endpoint } from '../../../../src/client/balancer/endpoints/endpoint';
import { Pool } from '../../../../src/client/balancer/tiers/pool';
import { Spill } from '../../../../src/client/balancer/tiers/spill';
import type { ZonePreference } from '../../../../src/client/balancer/zones/zone-preference';
import { type ChannelControlHelper, connectivity, type SubchannelInterface } from '../../../../src/client/grpc/grpc-js';
import type { Algorithm } from '../../../../src/policy/document';
import type { BreakerPlan } from '../../../../src/policy/plan';
import { endpointAt } from './connections';
import type { Simulation } from './pool-simulation';

/** What grpc-js gives, as far as a connection asks: subchannels that are always READY. */
const helper = {
  createSubchannel: () =>
    ({
      ref() {},
      unref() {},
      addConnectivityStateListener() {},
      removeConnectivityStateListener() {},
      getConnectivityState: () => connectivity.READY,
      getRealSubchannel: () => ({}),
    }) as unknown as SubchannelInterface,
} as unknown as ChannelControlHelper;

export const BREAKER_PLAN: BreakerPlan = {
  enabled: true,
  errorThresholdPercentage: 50,
  volumeThreshold: 5,
  consecutiveFailures: 5,
  silentFailures: 2,
  slowCallMs: undefined,
  resetTimeoutMs: 5_000,
  maxResetTimeoutMs: 60_000,
  rollingCountTimeoutMs: 10_000,
  maxEjectionPercentage: 50,
  failureStatusCodes: new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED']),
};

/** Where nobody fails, nobody is ejected. */
export function noBreaker(): never {
  throw new Error('nobody was to be ejected');
}

/** What a connection is told of and tells, where a test looks at calls alone. */
export function quietDeps(own: Pick<ConnectionOwner, 'helper' | 'clock' | 'random'>): ConnectionOwner {
  return {
    options: {},
    service: 'payments',
    authorityMetaKey: undefined,
    onChange: () => {},
    onDrained: () => {},
    deadlineMs: 2_000,
    connectionsPerEndpoint: 2,
    onAwaited: () => {},
    onFreed: () => {},
    onAnsweringAgain: () => {},
    onReplaced: () => {},
    ...own,
  };
}

/** A pool of all that the subset has, as a topology builder makes it. */
export function poolOf(
  members: readonly ChannelConnection[],
  { algorithm, random, nowMs, ...more }: PoolSettings,
): Pool {
  const parts = {
    subset: 'all',
    datacenter: 'dc1',
    kind: 'listed' as const,
    members,
    missing: 0,
    absent: 0,
    balancing: {
      algorithm,
      slowStartMs: 0,
      hashBy: undefined,
      subsetSize: undefined,
      drainMs: undefined,
      connectionsPerEndpoint: 2,
    },
    breakerPlan: BREAKER_PLAN,
    subsetBreaker: undefined,
    spill: new Spill(),
    ...more,
  };
  return new Pool(parts, random, nowMs);
}

interface PoolSettings {
  readonly algorithm: Algorithm;
  readonly random: Random;
  readonly nowMs: number;
  readonly absent?: number;
  readonly zones?: ZonePreference | undefined;
}

/** A real pool of endpoints that are all connected. */
export function openPool(
  endpoints: readonly Endpoint[],
  random: Random,
  algorithm: Algorithm = 'peak_ewma',
): { readonly pool: Pool; readonly members: readonly ChannelConnection[] } {
  const deps = quietDeps({ helper, clock: { ...systemClock, now: () => 0 }, random });
  const members = endpoints.map((endpoint) => new ChannelConnection(endpoint, deps));
  return { pool: poolOf(members, { algorithm, random, nowMs: 0 }), members };
}

/** A pool for a simulation, whose endpoints are compared with one another on each tick. */
export function judgedPool(
  weights: readonly number[],
  random: Random,
): Pick<Simulation, 'picker' | 'ticked' | 'ready'> {
  const { pool, members } = openPool(
    weights.map((weight, index) => endpointAt(index, weight)),
    random,
  );
  let tickMs = 0;
  return {
    ready: members,
    picker: { pick: (context) => pool.toMeasure(tickMs) ?? pool.picker?.pick(context) },
    ticked: (nowMs) => {
      tickMs = nowMs;
      if (pool.judge(nowMs, noBreaker)) pool.refresh(nowMs);
    },
  };
}
