import type { Instance } from '../../../base/instances';
import type { BalancingPlan, Plan } from '../../../policy/plan';
import type { BalancerContext } from '../context';
import { type ZoneListing, ZonePreference } from './zone-preference';

/** A subset in a datacenter. */
interface Group {
  readonly subset: string;
  readonly datacenter: string;
  readonly usable: readonly Instance[];
  readonly unusable: readonly Instance[];
  readonly draining: readonly Instance[];
}

/** The zone preferences of one group of channels: one for each subset whose policy prefers zones. */
export class ZonePreferences {
  readonly #context: BalancerContext;
  readonly #isInForce: boolean;
  readonly #bySubset = new Map<string, { readonly preference: ZonePreference; readonly clients: unknown }>();

  /** `isInForce`: of the plan in force, which `inspect()` and `explain()` show. */
  constructor(context: BalancerContext, isInForce = true) {
    this.#context = context;
    this.#isInForce = isInForce;
  }

  /** The subset is gone. */
  forget(subset: string): void {
    if (this.#bySubset.delete(subset) && this.#isInForce) this.#context.zonePreferences.delete(subset);
  }

  /**
   * Undefined where zones play no part: the policy does not prefer them; another datacenter, whose zones the client is
   * in none of; or `ring_hash`, where a call belongs to the endpoint that owns it.
   */
  of(
    { locality }: Plan,
    { algorithm }: BalancingPlan,
    group: Group,
    isLocal: boolean,
    turnover: Pick<ZoneListing, 'lost' | 'joined'>,
  ): ZonePreference | undefined {
    const { subset, datacenter } = group;
    if (locality.zones !== 'prefer' || !isLocal || algorithm === 'ring_hash') {
      this.#bySubset.delete(subset);
      if (this.#isInForce && isLocal) this.#context.zonePreferences.delete(subset);
      return undefined;
    }
    const known = this.#bySubset.get(subset);
    const clients = locality.zoneClients;
    const isKept = JSON.stringify(known?.clients) === JSON.stringify(clients);
    const preference = isKept && known ? known.preference : new ZonePreference(() => this.#context.state.zone, clients);
    this.#bySubset.set(subset, { preference, clients });
    if (this.#isInForce) this.#context.zonePreferences.set(subset, { preference, datacenter });
    // What drains is missing on purpose: its zone is that much smaller, and nothing of it is withheld.
    const unusable = group.unusable.filter((instance) => !group.draining.includes(instance));
    preference.list({ usable: group.usable, unusable, ...turnover });
    return preference;
  }
}
