import { type Random, seededRandom } from '../../../../src/base/random';
import { MethodTime } from '../../../../src/client/balancer/attempts/methods';
import type { ChannelConnection } from '../../../../src/client/balancer/endpoints/connection';
import type { Endpoint } from '../../../../src/client/balancer/endpoints/endpoint';
import type { Pool } from '../../../../src/client/balancer/tiers/pool';
import type { Breaker } from '../../../../src/client/breaker/breaker';
import type { Outcome } from '../../../../src/client/breaker/outcome';
import { peerOutcomeOf } from '../../../../src/client/breaker/outlier/failure-shares';
import { isProbePermit } from '../../../../src/client/breaker/probe-gate';
import { BreakerRegistry } from '../../../../src/client/breaker/registry';
import { FakeClock } from '../../../../src/client/testing/fake-clock';
import type { Algorithm } from '../../../../src/policy/document';
import { endpointAt, passCall } from '../../../unit/client/balancer/connections';
import { BREAKER_PLAN, openPool } from '../../../unit/client/balancer/open-pool';

/** How one call ends. */
export interface Ended {
  readonly outcome: Outcome;
  readonly code: number;
}
export const OK: Ended = { outcome: 'success', code: 0 };
export const FAILED: Ended = { outcome: 'failure', code: 14 };

export interface VirtualCall {
  readonly method: string;
  /** Of the caller; -1 without one. */
  readonly hash: number;
}

export interface World {
  readonly size: number;
  readonly callsPerSecond: number;
  readonly seed: number;
  readonly algorithm?: Algorithm;
  /** Default: calls of one method, of no caller. */
  readonly nextCall?: (random: Random) => VirtualCall;
  readonly end: (index: number, nowMs: number, random: Random, call: VirtualCall) => Ended;
}

export interface Ejection {
  readonly index: number;
  readonly atMs: number;
  readonly because: string;
}

export interface Window {
  readonly calls: number[];
  /** Calls that failed, wherever. */
  lost: number;
}

const TICK_MS = 100;
const ANY: VirtualCall = { method: '/shop.v1.Payments/Charge', hash: -1 };

/**
 * Calls with random gaps on a real pool with real breakers, in simulated time: what a pick, an attempt's end and the shared tick
 * do about failures. Calls take no time: this is about shares of failures, not about load.
 */
export class OutlierRig {
  readonly ejections: Ejection[] = [];
  readonly backAtMs: number[] = [];
  readonly endpoints: readonly Endpoint[];
  readonly #world: World;
  readonly #clock = new FakeClock();
  readonly #random: Random;
  readonly #breakers;
  readonly #pool: Pool;
  readonly #members: readonly ChannelConnection[];
  readonly #times = new Map<string, MethodTime>();
  readonly #indexes = new Map<Endpoint, number>();
  #isChanged = false;
  #nowMs = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = seededRandom(world.seed);
    this.#breakers = new BreakerRegistry({ clock: this.#clock, random: this.#random });
    this.endpoints = Array.from({ length: world.size }, (_, index) => endpointAt(index));
    for (const [index, endpoint] of this.endpoints.entries()) this.#indexes.set(endpoint, index);
    const opened = openPool(this.endpoints, this.#random, world.algorithm ?? 'random');
    this.#pool = opened.pool;
    this.#members = opened.members;
    this.#breakers.subscribe(({ event, key }) => {
      this.#isChanged = true;
      const index = this.endpoints.findIndex((endpoint) => endpoint.key === key);
      if (event === 'close') this.backAtMs.push(this.#nowMs);
      const trial = this.endpoints[index]?.breaker?.trial;
      if (event === 'open' && trial !== undefined && trial.ejectedAtMs === this.#nowMs) {
        this.ejections.push({ index, atMs: this.#nowMs, because: trial.because });
      }
    });
  }

  /** Until `untilMs`; what happened in that time. */
  run(untilMs: number): Window {
    const { callsPerSecond, nextCall, size } = this.#world;
    const window: Window = { calls: Array.from({ length: size }, () => 0), lost: 0 };
    const gap = (): number => (-Math.log(1 - this.#random()) * 1_000) / callsPerSecond;
    let callAtMs = this.#nowMs + gap();
    while (this.#nowMs < untilMs) {
      const tickAtMs = this.#nowMs + TICK_MS;
      for (; callAtMs < tickAtMs; callAtMs += gap()) {
        this.#call(nextCall?.(this.#random) ?? ANY, callAtMs, window);
      }
      this.#nowMs = tickAtMs;
      this.#clock.advance(TICK_MS);
      this.#pool.judge(tickAtMs, (endpoint) => this.#breakerOf(endpoint));
      this.#refresh();
    }
    return window;
  }

  #call(call: VirtualCall, nowMs: number, window: Window): void {
    const endpoint = this.#pick(call, nowMs);
    const index = this.#indexes.get(endpoint) ?? -1;
    const { outcome, code } = this.#world.end(index, nowMs, this.#random, call);
    window.calls[index] = (window.calls[index] ?? 0) + 1;
    if (code !== 0) window.lost += 1;
    const permit = endpoint.breaker?.begin(nowMs) ?? 0;
    let time = this.#times.get(call.method);
    if (time === undefined) {
      time = new MethodTime();
      this.#times.set(call.method, time);
    }
    const peerOutcome = peerOutcomeOf(outcome, code);
    const trial = endpoint.breaker?.trial;
    if (trial === undefined) {
      if (endpoint.shares.record(peerOutcome, time.shares, call.hash, nowMs)) time.shares.ended(peerOutcome);
    } else if (isProbePermit(permit)) trial.ended(peerOutcome, time.shares);
    if (outcome === 'failure') this.#breakerOf(endpoint);
    endpoint.breaker?.record(permit, outcome, nowMs);
    this.#refresh();
  }

  #pick(call: VirtualCall, nowMs: number): Endpoint {
    for (const { endpoint } of this.#pool.probes) {
      if (endpoint.breaker?.isDue(nowMs) !== true) continue;
      endpoint.breaker.offer(nowMs);
      return endpoint;
    }
    const context = { random: this.#random, hash: call.hash, tried: undefined };
    const picked = this.#pool.picker?.pick(context) ?? this.#members[Math.floor(this.#random() * this.#members.length)];
    if (picked === undefined) throw new Error('picked nobody');
    passCall(picked.endpoint);
    return picked.endpoint;
  }

  #breakerOf(endpoint: Endpoint): Breaker {
    endpoint.breaker ??= this.#breakers.failed(endpoint.key, BREAKER_PLAN);
    return endpoint.breaker;
  }

  #refresh(): void {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    this.#pool.refresh(this.#nowMs);
  }
}

/** Share of the first endpoint, of its fair share. */
export function shareOfFirst({ calls }: Window): number {
  const total = calls.reduce((sum, count) => sum + count, 0);
  return ((calls[0] ?? 0) * calls.length) / total;
}
