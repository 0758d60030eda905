import type { Breaker } from '../breaker/breaker';
import { chooseHeldOut } from '../breaker/ejection';
import type { Random } from '../internal/random';
import { sameItems } from '../internal/same-items';
import type { BalancingPlan, BreakerPlan } from '../policy/plan';
import type { ChannelConnection } from './connection';
import type { Connection } from './endpoint';
import type { CreatePoolPicker, PickContext, PoolPicker } from './pool-picker';
import type { Spill } from './spill';

/** Calls that cannot be retried make poor probes; after so many of them in a row one is taken all the same. */
const PASS_BY = 20;

/** What a pool is made of. */
export interface PoolParts {
  readonly subset: string;
  readonly datacenter: string;
  readonly members: readonly ChannelConnection[];
  /** Members whose connections are still to be created. */
  readonly missing: number;
  /** Instances that are known and out of service, or were lost within the last minute. */
  readonly absent: number;
  readonly balancing: BalancingPlan;
  readonly breakerPlan: BreakerPlan;
  /** Undefined: the subset has no fallback to shed to, or its breaker is off. */
  readonly subsetBreaker: Breaker | undefined;
  /** Kept from pool to pool, so that a tier that vanished comes back gradually. */
  readonly spill: Spill;
}

export interface PoolDeps {
  readonly create: CreatePoolPicker;
  readonly random: Random;
}

/**
 * The connections of one channel to one subset in one datacenter. Its picker covers those that should take calls now:
 * connected, not held out by their breaker, and not suspect unless all of them are.
 */
export class Pool {
  readonly subset: string;
  readonly datacenter: string;
  readonly members: readonly ChannelConnection[];
  readonly missing: number;
  readonly breakerPlan: BreakerPlan;
  readonly subsetBreaker: Breaker | undefined;
  /** How much of its calls it keeps. */
  readonly spill: Spill;
  readonly #parts: PoolParts;
  readonly #deps: PoolDeps;
  #picker: PoolPicker | undefined;
  #preferred: readonly ChannelConnection[] = [];
  #weights: readonly number[] = [];
  #connected: readonly ChannelConnection[] = [];
  #probes: readonly ChannelConnection[] = [];
  #healthy = 0;
  #passedBy = 0;

  constructor(parts: PoolParts, deps: PoolDeps, nowMs: number) {
    this.subset = parts.subset;
    this.datacenter = parts.datacenter;
    this.members = parts.members;
    this.missing = parts.missing;
    this.breakerPlan = parts.breakerPlan;
    this.subsetBreaker = parts.subsetBreaker;
    this.spill = parts.spill;
    this.#parts = parts;
    this.#deps = deps;
    this.refresh(nowMs);
  }

  /** Undefined when nobody is connected and admitted. */
  get picker(): PoolPicker | undefined {
    return this.#picker;
  }

  /** Every connected member, whatever its breaker says: who serves in a panic. */
  get connected(): readonly ChannelConnection[] {
    return this.#connected;
  }

  /** Due for a probe, held out or not. */
  get probes(): readonly ChannelConnection[] {
    return this.#probes;
  }

  /** Nobody in it is well: it serves only in a panic. */
  get isAllBad(): boolean {
    return this.#healthy === 0;
  }

  /** Someone may connect any moment, and nothing speaks against it yet. */
  get isFirstTry(): boolean {
    return this.missing > 0 || this.members.some((member) => member.isFirstTry);
  }

  get isPending(): boolean {
    return this.missing > 0 || this.members.some((member) => member.isPending);
  }

  get lastFailure(): string | undefined {
    return this.members.find((member) => member.failure !== undefined)?.failure;
  }

  /** Whether so many calls that are no good as a probe have passed that the next one has to do. */
  isProbeOverdue(): boolean {
    this.#passedBy += 1;
    if (this.#passedBy <= PASS_BY) return false;
    this.#passedBy = 0;
    return true;
  }

  /** Looks at connectivity, breakers, suspicion and weights afresh; a picker is made anew only when one of them differs. */
  refresh(nowMs: number): void {
    const { members, missing, absent, balancing } = this.#parts;
    this.#connected = members.filter((member) => member.isReady);
    const bad = members.filter((member) => isBroken(member));
    this.#probes = bad.filter((member) => member.isReady && member.endpoint.breaker?.state === 'halfOpen');
    // Idle and first-time connecting members are not bad: nothing is known against them.
    this.#healthy = members.filter((member) => member.failure === undefined && !isBroken(member)).length + missing;
    this.spill.update(this.#healthy, members.length + missing + absent, nowMs);
    const heldOut = new Set(this.#holdOut(bad));
    const admitted = this.#connected.filter((member) => !heldOut.has(member));
    const trusted = admitted.filter((member) => !member.endpoint.load.isSuspect);
    const preferred = trusted.length > 0 ? trusted : admitted;
    const weights = preferred.map((member) => member.endpoint.weight);
    if (sameItems(preferred, this.#preferred) && sameItems(weights, this.#weights)) return;
    this.#preferred = preferred;
    this.#weights = weights;
    this.#picker = preferred.length === 0 ? undefined : this.#deps.create(preferred, balancing, this.#deps.random);
  }

  /**
   * The slow way, for when the picker's choice is gone since the last refresh: any admitted member that is connected and
   * that the call has not tried, starting anywhere.
   */
  scan(context: PickContext): ChannelConnection | undefined {
    const preferred = this.#preferred;
    const start = Math.floor(context.random() * preferred.length);
    for (let step = 0; step < preferred.length; step += 1) {
      const member = preferred[(start + step) % preferred.length];
      if (member?.isReady === true && context.tried?.includes(member.endpoint) !== true) return member;
    }
    return undefined;
  }

  /** True when a pool made of `parts` would be this one. */
  isMadeOf(parts: PoolParts): boolean {
    const own = this.#parts;
    return (
      own.missing === parts.missing &&
      own.absent === parts.absent &&
      own.breakerPlan === parts.breakerPlan &&
      own.subsetBreaker === parts.subsetBreaker &&
      sameBalancing(own.balancing, parts.balancing) &&
      sameItems(own.members, parts.members)
    );
  }

  #holdOut(bad: readonly ChannelConnection[]): readonly ChannelConnection[] {
    if (bad.length === 0) return [];
    const candidates = bad.map((member) => ({
      member,
      key: member.endpoint.key,
      badSinceMs: member.endpoint.breaker?.badSinceMs ?? 0,
    }));
    const { maxEjectionPercentage } = this.breakerPlan;
    return chooseHeldOut(this.members.length, candidates, maxEjectionPercentage).map(({ member }) => member);
  }
}

/** What a pool picker returns is one of the connections that it was made of. */
export function asChannelConnection(connection: Connection): ChannelConnection {
  return connection as ChannelConnection;
}

function isBroken({ endpoint: { breaker } }: ChannelConnection): boolean {
  return breaker !== undefined && breaker.state !== 'closed' && breaker.circuit.enabled;
}

function sameBalancing(a: BalancingPlan, b: BalancingPlan): boolean {
  return (
    a === b ||
    (a.algorithm === b.algorithm &&
      a.hashBy === b.hashBy &&
      a.slowStartMs === b.slowStartMs &&
      a.choiceCount === b.choiceCount)
  );
}
