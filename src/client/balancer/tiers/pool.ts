import type { Random } from '../../../base/random';
import { sameItems } from '../../../base/same-items';
import type { TierKind } from '../../../policy/membership/tiers';
import type { BalancingPlan, BreakerPlan } from '../../../policy/plan';
import type { Breaker } from '../../breaker/breaker';
import { chooseHeldOut } from '../../breaker/ejection';
import { OutlierDetector } from '../../breaker/outlier/detector';
import type { ChannelConnection } from '../endpoints/connection';
import type { Connection, Endpoint } from '../endpoints/endpoint';
import { judgeLatencies } from '../endpoints/latency-outlier';
import { balanceCapacities } from '../endpoints/reported-capacity';
import { balanceShares, SHARE_PERIOD_MS } from '../endpoints/share';
import type { SubsetLimit } from '../limits/subset-limits';
import { createPoolPicker } from '../pickers/create-pool-picker';
import type { PickContext, PoolPicker } from '../pickers/pool-picker';
import type { ZoneMember, ZonePreference } from '../zones/zone-preference';
import type { Spill } from './spill';

/** Calls that cannot be retried make poor probes; after so many of them in a row one is taken all the same. */
const PASS_BY = 20;
/** Above this size endpoints are compared with one another at most every `JUDGE_MS`, else on each tick. */
const LARGE_POOL = 256;
const JUDGE_MS = 1_000;
/** Members that a call looks at whose first choice is full. */
const LOOKED_AT = 64;
const OWNERS_LOOKED_AT = 8;

/** What a pool is made of. */
export interface PoolParts {
  readonly subset: string;
  readonly datacenter: string;
  readonly kind: TierKind;
  readonly members: readonly ChannelConnection[];
  /** Members whose connections are still to be created. */
  readonly missing: number;
  /** Instances that are known and out of service, or were lost within the last minute. */
  readonly absent: number;
  readonly balancing: BalancingPlan;
  readonly breakerPlan: BreakerPlan;
  /** Undefined: the subset has no fallback to shed to, or neither breaker nor guard. */
  readonly subsetBreaker: Breaker | undefined;
  /** Kept from pool to pool, so that a tier that vanished comes back gradually. */
  readonly spill: Spill;
  /** Undefined: not limited. */
  readonly limit?: SubsetLimit | undefined;
  /** Undefined: calls are spread over all zones alike. */
  readonly zones?: ZonePreference | undefined;
}

/**
 * The connections of one channel to one subset in one datacenter. Its picker covers those that should take calls now:
 * connected, not held out by their breaker, and neither suspect, doubtful nor deprioritized as long as somebody is not.
 */
export class Pool {
  readonly subset: string;
  readonly datacenter: string;
  readonly kind: TierKind;
  readonly members: readonly ChannelConnection[];
  readonly missing: number;
  readonly breakerPlan: BreakerPlan;
  readonly subsetBreaker: Breaker | undefined;
  /** How much of its calls it keeps. */
  readonly spill: Spill;
  /** How much of this client may be in flight at its subset. */
  readonly limit: SubsetLimit | undefined;
  readonly #parts: PoolParts;
  readonly #random: Random;
  readonly #endpoints: readonly Endpoint[];
  /** Undefined when nobody is connected and admitted. */
  picker: PoolPicker | undefined = undefined;
  #preferred: readonly ChannelConnection[] = [];
  #weights: readonly number[] = [];
  /** Every connected member, whatever its breaker says: who serves in a panic. */
  connected: readonly ChannelConnection[] = [];
  /** To be probed as soon as their breaker says so: half-open, held out or not, and those that did not answer last. */
  probes: readonly ChannelConnection[] = [];
  /** Left out for being slow; each gets a measuring call now and then. */
  deprioritized: readonly ChannelConnection[] = [];
  /** Left out for an overdue answer; where no health check can speak for one, it gets one call a second. */
  suspects: readonly ChannelConnection[] = [];
  /** READY and not believed yet: they serve where nobody else does. */
  onTrial: readonly ChannelConnection[] = [];
  readonly #outliers = new OutlierDetector();
  #judgedAtMs = Number.NEGATIVE_INFINITY;
  #balancedAtMs = Number.NEGATIVE_INFINITY;
  /** No member is well: it serves only in a panic. */
  isAllBad = true;
  #passedBy = 0;

  constructor(parts: PoolParts, random: Random, nowMs: number) {
    this.subset = parts.subset;
    this.datacenter = parts.datacenter;
    this.kind = parts.kind;
    this.members = parts.members;
    this.missing = parts.missing;
    this.breakerPlan = parts.breakerPlan;
    this.subsetBreaker = parts.subsetBreaker;
    this.spill = parts.spill;
    this.limit = parts.limit;
    this.#parts = parts;
    this.#random = random;
    this.#endpoints = parts.members.map(({ endpoint }) => endpoint);
    this.refresh(nowMs);
  }

  /** Someone may connect any moment, and nothing speaks against it yet. */
  get isFirstTry(): boolean {
    return this.missing > 0 || this.members.some((member) => member.isFirstTry && !member.endpoint.load.isDoubted);
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

  /** One of the deprioritized that is to be measured now. Asked in a pick; whoever is returned gets the call. */
  toMeasure(nowMs: number): ChannelConnection | undefined {
    for (const member of this.deprioritized) {
      const { latencyOutlier } = member.endpoint.load;
      if (!member.isReady || !latencyOutlier.isDue(nowMs)) continue;
      latencyOutlier.offered(nowMs);
      return member;
    }
    return undefined;
  }

  /** One of the suspects that this call is to look at. Asked in a pick; whoever is returned gets the call. */
  toLookAt(mayRetry: boolean, hash: number, nowMs: number): ChannelConnection | undefined {
    for (const member of this.suspects) {
      const { load } = member.endpoint;
      if (!member.isReady || !load.isSuspect || !load.suspicion.isDue(nowMs, mayRetry)) continue;
      if (hash >= 0 && this.picker?.owns?.(member, hash) === false) continue;
      load.suspicion.offered(nowMs);
      return member;
    }
    return undefined;
  }

  /**
   * Compares the members with one another. Called on each tick; true when one is to be treated otherwise than before.
   * Those that fail more often than others are ejected by their breakers, which tell of it themselves.
   */
  judge(nowMs: number, breakerOf: (endpoint: Endpoint) => Breaker): boolean {
    this.#parts.zones?.tick(nowMs);
    const isBalanced = this.#balance(nowMs);
    if (this.members.length > LARGE_POOL && nowMs - this.#judgedAtMs < JUDGE_MS) return isBalanced;
    this.#judgedAtMs = nowMs;
    this.#outliers.detect(this.#endpoints, this.breakerPlan, breakerOf, nowMs);
    return this.#judgeLatencies(nowMs) || isBalanced;
  }

  /**
   * Gives less to members that ask for less, and more to those that report more room. True when a weight is to change.
   */
  #balance(nowMs: number): boolean {
    if (nowMs - this.#balancedAtMs < SHARE_PERIOD_MS) return false;
    this.#balancedAtMs = nowMs;
    const { algorithm } = this.#parts.balancing;
    const endpoints = this.#endpoints;
    const shares = endpoints.map(({ load }) => load.share);
    // Calls that have an endpoint of their own keep it.
    const isMoved = this.#hasOwners ? shares.filter((share) => share.reset()).length > 0 : balanceShares(shares, nowMs);
    if (algorithm !== 'peak_ewma' && algorithm !== 'least_request') return isMoved;
    return balanceCapacities(endpoints, nowMs) || isMoved;
  }

  #judgeLatencies(nowMs: number): boolean {
    if (!this.#mayDeprioritize) return false;
    const admitted = this.connected.filter((member) => !isBroken(member));
    return judgeLatencies(
      admitted.map(({ endpoint }) => endpoint.load.latencyOutlier),
      nowMs,
    );
  }

  /** Who chose another algorithm wants its shares; `peak_ewma` is the one that goes by latency. */
  get #mayDeprioritize(): boolean {
    return this.#parts.balancing.algorithm === 'peak_ewma';
  }

  /** Calls have endpoints of their own: its picker goes round suspects, so that only their calls move. */
  get #hasOwners(): boolean {
    return this.#parts.balancing.algorithm === 'ring_hash';
  }

  /**
   * Looks at connectivity, breakers, suspicion and weights afresh; a picker is made anew only when one of them differs.
   */
  refresh(nowMs: number): void {
    const { members, missing, absent, zones } = this.#parts;
    // One pass: a pool may have thousands of members, and while they connect it is refreshed many times.
    const connected: ChannelConnection[] = [];
    const bad: ChannelConnection[] = [];
    const probes: ChannelConnection[] = [];
    const onTrial: ChannelConnection[] = [];
    // Idle and first-time connecting members are not bad: nothing is known against them.
    let healthy = missing;
    for (const member of members) {
      if (isBroken(member)) bad.push(member);
      else if (member.failure === undefined && !isGivenUp(member)) healthy += 1;
      if (!member.isReady) {
        if (member.isConnected) onTrial.push(member);
        continue;
      }
      connected.push(member);
      if (isToBeProbed(member)) probes.push(member);
    }
    this.connected = connected;
    this.probes = probes;
    this.onTrial = onTrial;
    this.isAllBad = healthy === 0;
    this.spill.update(healthy, members.length + missing + absent, nowMs);
    const heldOut = new Set(this.#holdOut(bad));
    const admitted = only(connected, (member) => !heldOut.has(member));
    const trusted = only(admitted, isTrusted);
    const usable = trusted.length === 0 ? admitted : this.#hasOwners ? only(admitted, isBeyondDoubt) : trusted;
    this.suspects = trusted.length === 0 || trusted === admitted ? [] : admitted.filter(isMereSuspect);
    const brisk = this.#mayDeprioritize ? only(usable, (member) => !isDeprioritized(member)) : usable;
    const preferred = brisk.length > 0 ? brisk : usable;
    this.deprioritized = preferred === usable ? [] : usable.filter(isDeprioritized);
    zones?.update(members, preferred, isUnwell, nowMs);
    const isSame = sameItems(preferred, this.#preferred) && this.#areWeights(preferred);
    if (isSame && zones?.isOutdated !== true) return;
    this.#preferred = preferred;
    this.#weights = preferred.map((member) => member.endpoint.weight);
    this.picker = preferred.length === 0 ? undefined : this.#createPicker(preferred);
  }

  #createPicker(members: readonly ChannelConnection[]): PoolPicker {
    const { balancing, zones } = this.#parts;
    const create = (some: readonly ChannelConnection[]): PoolPicker => createPoolPicker(some, balancing, this.#random);
    return zones?.pickerOf(members, create, this.#random) ?? create(members);
  }

  #areWeights(members: readonly ChannelConnection[]): boolean {
    return members.every((member, index) => member.endpoint.weight === this.#weights[index]);
  }

  /**
   * The slow way, for when the picker's choice is gone since the last refresh: any admitted member that is connected
   * and that the call has not tried, starting anywhere.
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

  /**
   * The slow way, for when the picker's choice is at its peer's limit of streams: of the others that have room the one
   * with the least to do for its weight, or the next owner where calls have owners. Undefined: none was found.
   */
  withRoom(chosen: ChannelConnection, context: PickContext): ChannelConnection | undefined {
    if (this.#hasOwners) return this.#nextOwnerWithRoom(context);
    const preferred = this.#preferred;
    const start = Math.floor(context.random() * preferred.length);
    let best: ChannelConnection | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let step = 0; step < Math.min(preferred.length, LOOKED_AT); step += 1) {
      const member = preferred[(start + step) % preferred.length] as ChannelConnection;
      const { load, weight } = member.endpoint;
      if (!member.isReady || member.isFull || isWorse(member, chosen)) continue;
      if (context.tried?.includes(member.endpoint) === true) continue;
      const cost = (1 + (context.lasts === true ? load.lastingBusy : load.busy)) / weight;
      if (cost >= least) continue;
      best = member;
      least = cost;
    }
    return best;
  }

  /** Nobody was found to have room: one that gets a further connection, `chosen` first. Else `chosen`. */
  widened(chosen: ChannelConnection, { tried }: PickContext): ChannelConnection {
    if (this.#hasOwners || chosen.widen()) return chosen;
    const isFree = (one: ChannelConnection) => one.isReady && tried?.includes(one.endpoint) !== true;
    const helps = (one: ChannelConnection) => isFree(one) && !isWorse(one, chosen) && one.widen();
    return this.#preferred.slice(0, LOOKED_AT).find(helps) ?? chosen;
  }

  #nextOwnerWithRoom(context: PickContext): ChannelConnection | undefined {
    const passed = [...(context.tried ?? [])];
    for (let step = 0; step < OWNERS_LOOKED_AT; step += 1) {
      const owner = this.picker?.pick({ ...context, tried: passed });
      if (owner === undefined) return undefined;
      const member = owner as ChannelConnection;
      if (member.isReady && !member.isFull) return member;
      passed.push(member.endpoint);
    }
    return undefined;
  }

  /** For when the pool has no picker: a member that has connected since the last refresh. */
  connectedSince(tried: readonly Endpoint[] | undefined): ChannelConnection | undefined {
    return this.members.find(
      (member) => member.isReady && !isBroken(member) && tried?.includes(member.endpoint) !== true,
    );
  }

  /** True when a pool made of `parts` would be this one. */
  isMadeOf(parts: PoolParts): boolean {
    const own = this.#parts;
    return (
      own.missing === parts.missing &&
      own.absent === parts.absent &&
      own.breakerPlan === parts.breakerPlan &&
      own.subsetBreaker === parts.subsetBreaker &&
      own.zones === parts.zones &&
      own.limit === parts.limit &&
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

/** The list itself where all of it may stay. */
function only(
  members: readonly ChannelConnection[],
  mayStay: (member: ChannelConnection) => boolean,
): readonly ChannelConnection[] {
  return members.every(mayStay) ? members : members.filter(mayStay);
}

function isTrusted(member: ChannelConnection): boolean {
  return !member.endpoint.load.isSuspect && isBeyondDoubt(member);
}

function isBeyondDoubt({ endpoint: { breaker } }: ChannelConnection): boolean {
  return breaker?.isDoubtful !== true;
}

/** Doubtful ones are verified for their breakers' sake. */
function isMereSuspect(member: ChannelConnection): boolean {
  return member.endpoint.load.isSuspect && isBeyondDoubt(member);
}

function isDeprioritized({ endpoint }: ChannelConnection): boolean {
  return endpoint.load.latencyOutlier.isDeprioritized;
}

function isBroken({ endpoint: { breaker } }: Connection): boolean {
  return breaker !== undefined && breaker.state !== 'closed' && breaker.circuit.enabled;
}

/** Something is known against it, rather than nothing known yet. */
function isUnwell(member: ZoneMember): boolean {
  return member.failure !== undefined || isBroken(member) || member.endpoint.load.isUnproven;
}

/** The registry says that its node has failed, and it gives no proof of the contrary. */
function isGivenUp({ isReady, endpoint: { load } }: ChannelConnection): boolean {
  return load.isUnproven || (load.isDoubted && !isReady);
}

function isToBeProbed({ endpoint: { breaker } }: ChannelConnection): boolean {
  if (breaker === undefined || !breaker.circuit.enabled) return false;
  return breaker.state === 'halfOpen' || breaker.isDoubtful;
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

/** A suspect is no help to what would go elsewhere. */
function isWorse(member: ChannelConnection, chosen: ChannelConnection): boolean {
  return member.endpoint.load.isSuspect && !chosen.endpoint.load.isSuspect;
}
