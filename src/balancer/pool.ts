import type { Random } from '../internal/random';
import type { BalancingPlan } from '../policy/plan';
import type { ChannelConnection } from './connection';
import type { Connection } from './endpoint';
import type { CreatePoolPicker, PickContext, PoolPicker } from './pool-picker';

/**
 * The connections of one channel to one subset in one datacenter. Its picker covers those that should take calls now:
 * connected and not suspect, or all connected ones when every one is suspect.
 */
export class Pool {
  readonly subset: string;
  readonly datacenter: string;
  readonly members: readonly ChannelConnection[];
  /** Members whose connections are still to be created. */
  readonly missing: number;
  readonly balancing: BalancingPlan;
  readonly #create: CreatePoolPicker;
  readonly #random: Random;
  #picker: PoolPicker | undefined;
  #preferred: readonly ChannelConnection[] = [];
  #weights: readonly number[] = [];

  constructor(
    subset: string,
    datacenter: string,
    members: readonly ChannelConnection[],
    missing: number,
    balancing: BalancingPlan,
    create: CreatePoolPicker,
    random: Random,
  ) {
    this.subset = subset;
    this.datacenter = datacenter;
    this.members = members;
    this.missing = missing;
    this.balancing = balancing;
    this.#create = create;
    this.#random = random;
    this.refresh();
  }

  /** Undefined when nobody is connected. */
  get picker(): PoolPicker | undefined {
    return this.#picker;
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

  /** Looks at connectivity, suspicion and weights afresh; a picker is made anew only when one of them differs. */
  refresh(): void {
    const connected = this.members.filter((member) => member.isReady);
    const trusted = connected.filter((member) => !member.endpoint.load.isSuspect);
    const preferred = trusted.length > 0 ? trusted : connected;
    const weights = preferred.map((member) => member.endpoint.weight);
    if (sameItems(preferred, this.#preferred) && sameItems(weights, this.#weights)) return;
    this.#preferred = preferred;
    this.#weights = weights;
    this.#picker = preferred.length === 0 ? undefined : this.#create(preferred, this.balancing, this.#random);
  }

  /**
   * The slow way, for when the picker's choice is gone since the last refresh or everyone preferred was tried: any
   * connected member that the call has not tried, starting anywhere.
   */
  scan(context: PickContext): ChannelConnection | undefined {
    const { members } = this;
    const start = Math.floor(context.random() * members.length);
    for (let step = 0; step < members.length; step += 1) {
      const member = members[(start + step) % members.length];
      if (member?.isReady === true && context.tried?.includes(member.endpoint) !== true) return member;
    }
    return undefined;
  }

  holds(members: readonly ChannelConnection[], missing: number, balancing: BalancingPlan): boolean {
    return this.missing === missing && sameBalancing(this.balancing, balancing) && sameItems(this.members, members);
  }
}

/** What a pool picker returns is one of the connections that it was made of. */
export function asChannelConnection(connection: Connection): ChannelConnection {
  return connection as ChannelConnection;
}

function sameBalancing(a: BalancingPlan, b: BalancingPlan): boolean {
  return a === b || (a.algorithm === b.algorithm && a.hashBy === b.hashBy && a.slowStartMs === b.slowStartMs);
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
