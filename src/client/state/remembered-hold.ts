import type { Clock, Timer } from '../../base/clock';
import type { DatacenterState, SourceState } from '../../base/instances';
import type { Logger } from '../../base/logger';
import type { InstanceSet } from '../../policy/membership/snapshot';
import { staleness } from './readiness';

export interface RememberedHoldOptions {
  readonly service: string;
  /** How long a datacenter that lists nobody from the start on is not believed, where it is remembered otherwise. 0: not at all. */
  readonly holdMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The time of some hold is over: `apply` gives something else now. */
  readonly onOver: () => void;
}

/**
 * Stands in with what was remembered of a datacenter, from an earlier process or from before an idle spell: while it fails,
 * and for a while when it lists nobody. A registry that lost its state looks like that to whoever starts after it.
 */
export class RememberedHold {
  readonly #options: RememberedHoldOptions;
  /** Datacenters that have listed nobody since. */
  readonly #emptySinceMs = new Map<string, number>();
  /** What they say from now on is judged against what they said before. */
  readonly #heard = new Set<string>();
  #timer: Timer | undefined;

  constructor(options: RememberedHoldOptions) {
    this.#options = options;
  }

  apply(state: SourceState, remembered: InstanceSet | undefined): SourceState {
    if (remembered === undefined) return state;
    return { datacenters: state.datacenters.map((each) => this.#applyTo(each, remembered)) };
  }

  /** The watches were ended. */
  reset(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#emptySinceMs.clear();
    this.#heard.clear();
  }

  #applyTo(state: DatacenterState, remembered: InstanceSet): DatacenterState {
    if (state.instances.length > 0) this.#heard.add(state.datacenter);
    const hasFailed = state.freshness.kind !== 'fresh' && state.freshness.reason !== undefined;
    const isEmpty = state.known && state.instances.length === 0 && !this.#heard.has(state.datacenter);
    if (!isEmpty && (state.known || !hasFailed)) return state;
    // Until Consul has answered once, the agent's own datacenter may go by another name than it had.
    const former = remembered.datacenters.find(
      (one) => one.known && (one.datacenter === state.datacenter || (one.local && state.local)),
    );
    if (former === undefined) return state;
    if (!isEmpty) return { ...former, local: state.local, freshness: staleness(former, state.freshness) };
    return this.#isDoubted(state.datacenter, former) ? this.#hold(state, former) : state;
  }

  #isDoubted(datacenter: string, former: DatacenterState): boolean {
    const { clock, holdMs, logger, service, onOver } = this.#options;
    if (holdMs === 0 || !former.instances.some((each) => each.status !== 'critical' && each.weight > 0)) return false;
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
    const leftMs = sinceMs + holdMs - nowMs;
    if (leftMs <= 0) return false;
    // Also where the timer came a fraction of a millisecond early, as Node's may, or was another datacenter's.
    this.#timer ??= clock.setTimer(leftMs, () => {
      this.#timer = undefined;
      onOver();
    });
    return true;
  }

  #hold(state: DatacenterState, former: DatacenterState): DatacenterState {
    const count = former.instances.length;
    const reason = `Consul lists 0 instances; the ${count} remembered ones are kept for ${this.#options.holdMs} ms`;
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
