import type { Instance } from '../../../base/instances';
import type { Random } from '../../../base/random';
import type { Connection } from '../endpoints/endpoint';
import type { PoolPicker } from '../pickers/pool-picker';
import { Withheld } from '../tiers/withheld';
import { divideByZone, type PickedZone, ZonedPicker, type ZoneShares } from './zoned-picker';
/** The instances of one subset in the local datacenter, as discovery has them. */
export interface ZoneListing {
  /** That may take calls, whether this client is connected to them or not. */
  readonly usable: readonly Instance[];
  /** Known, and out of service. */
  readonly unusable: readonly Instance[];
  readonly lost: readonly Instance[];
  readonly joined: readonly Instance[];
}

/** A member of a pool, as its zone is judged by it. */
export interface ZoneMember extends Connection {
  /** Its connection has failed. */
  readonly failure: string | undefined;
}

interface Zone {
  /** Weight that may take calls, as listed. */
  listed: number;
  /** The same of the pool's members: less than listed where the client is connected to some only. */
  members: number;
  /** Known weight that takes none: critical, or lost within the last minute. */
  absent: number;
  /** Weight of the members that calls can go to now. */
  fit: number;
  /** Weight of the members that something is wrong with. */
  bad: number;
  readonly withheld: Withheld;
}

/** A zone as `inspect()` and `explain()` show it. */
interface ZoneView {
  /** Empty for instances without a zone. */
  readonly zone: string;
  /** The sum of the weights in it that are counted on now. */
  readonly capacity: number;
  /** Weight that is not counted on: out of service, or just back. */
  readonly withheld: number;
  /** Share of this client's calls that goes there, in [0, 1]. */
  readonly share: number;
}

/** How one subset's calls are divided among the zones of the local datacenter. Plain JSON. */
export interface ZonePreferenceView {
  /** Name of the subset. */
  readonly subset: string;
  /** The local datacenter. */
  readonly datacenter: string;
  /** The client's. */
  readonly own: string;
  /** Own zone first. */
  readonly zones: readonly ZoneView[];
  /** Share of the calls that leaves the client's zone, in [0, 1]. */
  readonly crossing: number;
}

/**
 * Keeps the calls to one subset in the client's zone as far as the zone's share of all capacity carries them. Follows
 * what the zones can take: downwards at once, upwards gradually. Kept from topology to topology. Why it divides as it
 * does: docs/decisions/0031-zones.md.
 */
export class ZonePreference {
  readonly #ownZone: () => string | undefined;
  readonly #clients: Readonly<Record<string, number>> | undefined;
  readonly #zones = new Map<string, Zone>();
  #shares: ZoneShares = new Map();
  #capacity: ZoneShares = new Map();
  #picker: ZonedPicker | undefined;
  #pickedFor: string | undefined;

  /** `ownZone` is asked at each refresh: it may become known late. */
  constructor(ownZone: () => string | undefined, clients: Readonly<Record<string, number>> | undefined) {
    this.#ownZone = ownZone;
    this.#clients = clients;
  }

  /** Called when a topology is built, before the pool is refreshed. */
  list({ usable, unusable, lost, joined }: ZoneListing): void {
    for (const zone of this.#zones.values()) {
      zone.listed = 0;
      zone.absent = 0;
    }
    for (const instance of usable) this.#zoneOf(instance).listed += instance.weight;
    // A critical instance has no weight of its own: it counts as what the others of the list have.
    const usual = usable.length === 0 ? 1 : usable.reduce((sum, { weight }) => sum + weight, 0) / usable.length;
    for (const instance of unusable) this.#zoneOf(instance).absent += instance.weight > 0 ? instance.weight : usual;
    const gone = new Map<Zone, number>();
    const count = (instances: readonly Instance[], sign: number): void => {
      for (const instance of instances) {
        const zone = this.#zoneOf(instance);
        gone.set(zone, (gone.get(zone) ?? 0) + sign * (instance.weight > 0 ? instance.weight : usual));
      }
    };
    // Lost and not replaced: a rolling restart under new addresses loses nothing.
    count(lost, 1);
    count(joined, -1);
    for (const [zone, weight] of gone) zone.absent += Math.max(0, weight);
    for (const [name, zone] of this.#zones) if (zone.listed === 0 && zone.absent === 0) this.#zones.delete(name);
  }

  /**
   * Called at each refresh of the pool. `fit` are the members that calls can go to now; `isBad` tells who is not well
   * rather than not connected yet.
   */
  update(
    members: readonly ZoneMember[],
    fit: readonly ZoneMember[],
    isBad: (member: ZoneMember) => boolean,
    nowMs: number,
  ): void {
    for (const zone of this.#zones.values()) {
      zone.members = 0;
      zone.fit = 0;
      zone.bad = 0;
    }
    for (const member of members) {
      const { instance } = member.endpoint;
      const zone = this.#zoneOf(instance);
      zone.members += instance.weight;
      if (isBad(member)) zone.bad += instance.weight;
    }
    for (const { endpoint } of fit) this.#zoneOf(endpoint.instance).fit += endpoint.weight;
    for (const { listed, members: known, bad, absent, withheld } of this.#zones.values()) {
      const scale = known > 0 ? listed / known : 0;
      withheld.update(bad * scale + absent, listed + absent, nowMs);
    }
    this.#divide(nowMs);
  }

  /** Called on each tick: capacity that comes back does so while nothing else happens. */
  tick(nowMs: number): void {
    for (const { withheld } of this.#zones.values()) {
      if (!withheld.isFalling) continue;
      this.#divide(nowMs);
      return;
    }
  }

  /** The client's zone has become known, or another one, since the last picker was made. */
  get isOutdated(): boolean {
    return this.#ownZone() !== this.#pickedFor;
  }

  /**
   * Of members that are fit, none of them missing in `update`. Undefined: zones play no part, all of them are one pool.
   */
  pickerOf<C extends Connection>(
    fit: readonly C[],
    create: (members: readonly C[]) => PoolPicker,
    random: Random,
  ): PoolPicker | undefined {
    const own = this.#ownZone();
    this.#pickedFor = own;
    this.#picker = undefined;
    if (own === undefined) return undefined;
    const byZone = new Map<string, C[]>();
    for (const member of fit) {
      const zone = nameOf(member.endpoint.instance);
      const found = byZone.get(zone);
      if (found === undefined) byZone.set(zone, [member]);
      else found.push(member);
    }
    if (byZone.size < 2) return undefined;
    const zones: PickedZone[] = [...byZone]
      .sort(([a], [b]) => Number(b === own) - Number(a === own))
      .map(([zone, members]) => ({ zone, picker: create(members) }));
    this.#picker = new ZonedPicker(zones, random);
    this.#picker.apply(this.#shares, this.#capacity);
    return this.#picker;
  }

  /** Undefined while the client's zone is not known. */
  view(subset: string, datacenter: string, nowMs: number): ZonePreferenceView | undefined {
    const own = this.#ownZone();
    if (own === undefined) return undefined;
    const zones = [...this.#zones]
      .sort(([a], [b]) => Number(b === own) - Number(a === own) || (a < b ? -1 : 1))
      .map(([zone, { withheld }]) => ({
        zone,
        capacity: this.#capacity.get(zone) ?? 0,
        withheld: withheld.at(nowMs),
        share: this.#shares.get(zone) ?? 0,
      }));
    const crossing = zones.reduce((sum, { zone, share }) => (zone === own ? sum : sum + share), 0);
    return { subset, datacenter, own, zones, crossing };
  }

  #divide(nowMs: number): void {
    const own = this.#ownZone();
    const capacity = new Map<string, number>();
    for (const [name, { listed, members, absent, fit, withheld }] of this.#zones) {
      const usable = members > 0 ? (listed * fit) / members : 0;
      const countedOn = Math.max(0, Math.min(usable, listed + absent - withheld.at(nowMs)));
      // Somebody there can take calls, and nobody elsewhere may be able to.
      capacity.set(name, countedOn);
    }
    this.#capacity = capacity;
    this.#shares = own === undefined ? new Map() : divideByZone(own, capacity, this.#zones.keys(), this.#clients);
    this.#picker?.apply(this.#shares, this.#capacity);
  }

  #zoneOf(instance: Instance): Zone {
    const name = nameOf(instance);
    let zone = this.#zones.get(name);
    if (zone === undefined) {
      zone = { listed: 0, members: 0, absent: 0, fit: 0, bad: 0, withheld: new Withheld() };
      this.#zones.set(name, zone);
    }
    return zone;
  }
}

function nameOf({ zone }: Instance): string {
  return zone ?? '';
}
