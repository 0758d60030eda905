import type { Clock, Timer } from '../../base/clock';
import type { DatacenterState, SourceState } from '../../base/instances';
import type { Logger } from '../../base/logger';
import type { InstanceSet } from '../../policy/membership/snapshot';
import type { ValueList } from '../../policy/value-list';
import type { OtherStates } from './other-policies';
import type { PolicyState } from './policy-state';
import { hasFailed, staleness } from './readiness';

/** What was known of a service before it was let go of, or before the process started. */
export interface LastKnownGood {
  readonly instances: InstanceSet;
  readonly policy: PolicyState;
  /** Of the services that the policy names. */
  readonly others?: OtherStates;
  /** Lists of values that the policy names. */
  readonly lists?: ReadonlyMap<string, ValueList>;
}

interface BackfillOptions {
  readonly service: string;
  /**
   * How long a datacenter that lists no instance from the start on is not believed, where the last known good has some.
   * 0: not at all.
   */
  readonly gracePeriodMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The grace period of some datacenter is over: `apply` gives something else now. */
  readonly onOver: () => void;
}

/**
 * Fills in a datacenter from the last known good, of an earlier process or of the time before the service was idle:
 * while the datacenter fails, and for a grace period when it lists no instance. A registry that lost its state looks
 * the same.
 */
export class Backfill {
  readonly #options: BackfillOptions;
  /** Datacenters that have listed no instance since this time. */
  readonly #emptySinceMs = new Map<string, number>();
  /** What they say from now on is judged against what they said before. */
  readonly #heard = new Set<string>();
  #timer: Timer | undefined;

  constructor(options: BackfillOptions) {
    this.#options = options;
  }

  apply(state: SourceState, lastKnownGood: InstanceSet | undefined): SourceState {
    if (lastKnownGood === undefined) return state;
    return { datacenters: state.datacenters.map((each) => this.#applyTo(each, lastKnownGood)) };
  }

  /** The watches were ended. */
  reset(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#emptySinceMs.clear();
    this.#heard.clear();
  }

  #applyTo(state: DatacenterState, lastKnownGood: InstanceSet): DatacenterState {
    if (state.instances.length > 0) this.#heard.add(state.datacenter);
    const isEmpty = state.known && state.instances.length === 0 && !this.#heard.has(state.datacenter);
    if (!isEmpty && (state.known || !hasFailed(state))) return state;
    // Until Consul has answered once, the agent's own datacenter may go by another name than it had.
    const former = lastKnownGood.datacenters.find(
      (one) => one.known && (one.datacenter === state.datacenter || (one.local && state.local)),
    );
    if (former === undefined) return state;
    if (!isEmpty) return { ...former, local: state.local, freshness: staleness(former, state.freshness) };
    return this.#isDoubted(state.datacenter, former) ? this.#fillIn(state, former) : state;
  }

  #isDoubted(datacenter: string, former: DatacenterState): boolean {
    const { clock, gracePeriodMs, logger, service, onOver } = this.#options;
    if (gracePeriodMs === 0 || !former.instances.some((each) => each.status !== 'critical' && each.weight > 0))
      return false;
    const nowMs = clock.now();
    let sinceMs = this.#emptySinceMs.get(datacenter);
    if (sinceMs === undefined) {
      sinceMs = nowMs;
      this.#emptySinceMs.set(datacenter, sinceMs);
      logger.error('Consul lists no instance, but some are remembered; they stay until that is confirmed', {
        service,
        datacenter,
        remembered: former.instances.length,
      });
    }
    const leftMs = sinceMs + gracePeriodMs - nowMs;
    if (leftMs <= 0) return false;
    // Also where the timer came a fraction of a millisecond early, as Node's may, or was another datacenter's.
    this.#timer ??= clock.setTimer(leftMs, () => {
      this.#timer = undefined;
      onOver();
    });
    return true;
  }

  #fillIn(state: DatacenterState, former: DatacenterState): DatacenterState {
    const count = former.instances.length;
    const reason = `Consul lists 0 instances; the ${count} remembered ones are kept for ${this.#options.gracePeriodMs} ms`;
    const freshness = staleness(former, { kind: 'pending', reason });
    const { datacenter, local } = state;
    return {
      ...former,
      datacenter,
      local,
      isHeld: true,
      freshness: { ...freshness, reason } as DatacenterState['freshness'],
    };
  }
}
