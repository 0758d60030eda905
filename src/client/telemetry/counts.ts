import { ofKey } from '../../base/of-key';
import { boundedSubset } from '../../policy/lanes/lane-plan';
import type { BreakerLevel } from '../breaker/view';
import { FaultCounts } from './fault-counts';
import { MirrorCounts } from './mirror-counts';

const CODES = 17;
const MOST_TIERS = 10;
/** Subsets and datacenters are few. Names beyond so many share one row. */
const MOST_ROWS = 1_000;
const OTHER = '_other';

/** The attempts at one subset in one datacenter, by tier. Only grows; read at collection. */
export interface Row {
  /** The subset that the decision wanted. */
  readonly wanted: string;
  readonly subset: string;
  readonly datacenter: string;
  readonly tier: number;
  picks: number;
  panics: number;
  /** Picks by the zone of the endpoint beside the client's; all 0 where that is not known. */
  inOwnZone: number;
  inOtherZones: number;
  inNoZone: number;
  /** Attempts that ended, by status code. */
  readonly ended: Float64Array;
}

/** Times that a breaker opened. Endpoints are never named: their number has no bound. */
export interface Openings {
  readonly level: BreakerLevel;
  readonly subset: string;
  readonly datacenter: string;
  count: number;
}

/**
 * What is counted of one service. Plain numbers: adding to an instrument of an SDK costs a microsecond, and an attempt
 * would add to several. Finding a row allocates nothing once it is there.
 */
export class Counts {
  readonly #byDatacenter = new Map<string, Map<string, Map<string, Row[]>>>();
  readonly #openings = new Map<string, Openings>();
  readonly #refusedAtLimit = new Map<string, number>();
  readonly #rows: Row[] = [];
  policiesApplied = 0;
  policiesRejected = 0;
  /** Retries and hedges not made because the budget was spent. */
  retriesRefused = 0;
  readonly mirrored: MirrorCounts = new MirrorCounts();

  get rows(): readonly Row[] {
    return this.#rows;
  }

  get openings(): Iterable<Openings> {
    return this.#openings.values();
  }

  row(wanted: string, subset: string, datacenter: string, tier: number): Row {
    const found = this.#byDatacenter.get(datacenter)?.get(subset)?.get(wanted)?.[tier];
    return found ?? this.#add(wanted, subset, datacenter, Math.min(tier, MOST_TIERS));
  }

  opened(level: BreakerLevel, key: string): void {
    // `subset@datacenter`; a datacenter has no @ in it, a subset may.
    const at = level === 'subset' ? key.lastIndexOf('@') : -1;
    const subset = at < 0 ? '' : boundedSubset(key.slice(0, at));
    const datacenter = level === 'subset' ? key.slice(at + 1) : key.slice(0, key.indexOf('/'));
    this.#addOpenings(level, subset, datacenter, 1);
  }

  /** Calls refused because a subset was full, by subset. */
  get limits(): ReadonlyMap<string, number> {
    return this.#refusedAtLimit;
  }

  refusedAtLimit(subset: string, count = 1): void {
    const known = this.#refusedAtLimit.get(subset);
    const name = known === undefined && this.#refusedAtLimit.size >= MOST_ROWS ? OTHER : subset;
    this.#refusedAtLimit.set(name, (this.#refusedAtLimit.get(name) ?? 0) + count);
  }

  /** Attempts that faults of the policy hit, and what became of the calls that they concern. */
  readonly faults: FaultCounts = new FaultCounts();

  /** Adds the counts of a client that is closed, or that is being collected. */
  take(other: Counts): void {
    for (const row of other.rows) {
      const own = this.row(row.wanted, row.subset, row.datacenter, row.tier);
      for (const key of ['picks', 'panics', 'inOwnZone', 'inOtherZones', 'inNoZone'] as const) own[key] += row[key];
      for (let code = 0; code < CODES; code += 1) own.ended[code] = (own.ended[code] ?? 0) + (row.ended[code] ?? 0);
    }
    for (const { level, subset, datacenter, count } of other.openings) {
      this.#addOpenings(level, subset, datacenter, count);
    }
    for (const [subset, count] of other.limits) this.refusedAtLimit(subset, count);
    this.faults.take(other.faults);
    this.policiesApplied += other.policiesApplied;
    this.policiesRejected += other.policiesRejected;
    this.retriesRefused += other.retriesRefused;
    this.mirrored.take(other.mirrored);
  }

  #addOpenings(level: BreakerLevel, subset: string, datacenter: string, count: number): void {
    const name = `${level} ${subset} ${datacenter}`;
    const openings = this.#openings.get(name);
    if (openings !== undefined) openings.count += count;
    else if (this.#openings.size < MOST_ROWS) this.#openings.set(name, { level, subset, datacenter, count });
  }

  #add(wanted: string, subset: string, datacenter: string, tier: number): Row {
    if (this.#rows.length >= MOST_ROWS && datacenter !== OTHER) return this.row(OTHER, OTHER, OTHER, 0);
    const subsets = ofKey(this.#byDatacenter, datacenter, () => new Map<string, Map<string, Row[]>>());
    const tiers = ofKey(
      ofKey(subsets, subset, () => new Map<string, Row[]>()),
      wanted,
      () => [],
    );
    const former = tiers[tier];
    if (former !== undefined) return former;
    const none = { picks: 0, panics: 0, inOwnZone: 0, inOtherZones: 0, inNoZone: 0 };
    const row = { wanted, subset, datacenter, tier, ...none, ended: new Float64Array(CODES) };
    tiers[tier] = row;
    this.#rows.push(row);
    return row;
  }
}
