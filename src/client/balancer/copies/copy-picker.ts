import type { CallState } from '../../grpc/call-state';
import { type Metadata, type PickArgs, type Picker, type PickResult, pickKind } from '../../grpc/grpc-js';
import { changeHeaders, choose, type PickerGroup } from '../picker';
import { describeRefusal } from '../tiers/refusal';
import { NO_TIERS } from '../tiers/topology';
import { CopyAttemptPool } from './copy-attempt';

const UNAVAILABLE = 14;

/**
 * Picks endpoints for the copies of calls, on a channel that carries nothing else. Simpler than for calls: a copy goes
 * to an endpoint that is well and has room, or nowhere. It probes nothing, measures nothing, takes nobody's place, and
 * serves in no panic.
 */
export class CopyPicker implements Picker {
  hasWaiting = false;
  readonly #group: PickerGroup;
  readonly #attempts: CopyAttemptPool;
  readonly #now = (): number => this.#group.context.clock.now();

  constructor(group: PickerGroup) {
    this.#group = group;
    this.#attempts = new CopyAttemptPool(group.context, () => group.createMetadata());
  }

  pick({ extraPickInfo, metadata }: PickArgs): PickResult {
    const call = extraPickInfo as unknown as CallState;
    const { context, snapshot, topology: current } = this.#group;
    const { decision } = call;
    if (decision === undefined) return this.#refuse(call, `${context.service}: a copy that was not decided`);
    if (snapshot.refusal !== undefined) return this.#refuse(call, snapshot.refusal);
    const topology = decision.plan === current.plan ? current : this.#group.topologyUnder(decision);
    const tiers =
      decision.datacenters === undefined
        ? (topology.tiers[decision.destination.index] ?? NO_TIERS)
        : topology.narrowedTiers(decision);
    const { pools, numbers } = tiers;
    let isFull = false;
    for (const [at, pool] of pools.entries()) {
      // Instances that drain or have vanished are left to calls.
      if (pool.kind !== 'listed') continue;
      if (pool.subsetBreaker !== undefined && pool.subsetBreaker.state !== 'closed') continue;
      if (pool.limit?.isFull(this.#now) === true) {
        isFull = true;
        continue;
      }
      const connection = choose(pool, { random: context.random, hash: call.hash, tried: call.tried, lasts: true });
      if (connection?.isFull === true) isFull = true;
      else if (connection !== undefined) {
        const attempt = this.#attempts.take().picked(call, connection, pool, numbers[at] ?? 0, false);
        changeHeaders(metadata as Metadata, decision.requestHeaders ?? []);
        return attempt;
      } else if (pool.picker === undefined && pool.isFirstTry && call.tried === undefined) return this.#queue();
    }
    const why = describeRefusal(context.service, decision, topology.membership, pools);
    return this.#refuse(call, isFull ? `${context.service}: the endpoints are full` : why);
  }

  /** Until the channel is told of a change, or the deadline of the copy has passed. */
  #queue(): PickResult {
    this.hasWaiting = true;
    return {
      pickResultType: pickKind.QUEUE,
      subchannel: null,
      status: null,
      onCallStarted: null,
      onCallEnded: null,
    };
  }

  #refuse(call: CallState, details: string): PickResult {
    call.isRefused = true;
    call.lastEnding = 'none';
    return {
      pickResultType: pickKind.TRANSIENT_FAILURE,
      subchannel: null,
      status: { code: UNAVAILABLE, details, metadata: this.#group.createMetadata() },
      onCallStarted: null,
      onCallEnded: null,
    };
  }
}
