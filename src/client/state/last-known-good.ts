import type { Clock, Timer } from '../../base/clock';
import type { DatacenterState, Instance, SourceState } from '../../base/instances';
import { isRecord } from '../../base/is-record';
import type { Logger } from '../../base/logger';
import { decidingPlan, type InstanceSet, type Snapshot } from '../../policy/membership/snapshot';
import type { Plan } from '../../policy/plan';
import type { StoredState } from '../discovery/state-store';
import { nextPolicyState, type PolicyRules, type PolicyState, UNREAD } from './policy-state';
import { staleness } from './readiness';

/** What was known of a service before it was let go of, or before the process started. */
export interface LastKnownGood {
  readonly instances: InstanceSet;
  readonly policy: PolicyState;
}

interface SavedDatacenter {
  readonly datacenter: string;
  readonly local: boolean;
  readonly connectOnly: boolean;
  readonly instances: readonly Instance[];
  readonly filters: readonly (readonly [string, readonly string[]])[];
}

/** What goes to disk of a snapshot: what discovery and the policy source delivered, nothing else. */
export function toStored(snapshot: Snapshot): object {
  const { instances } = snapshot;
  const plan = decidingPlan(snapshot);
  const datacenters = instances.datacenters.filter((state) => state.known).map(savedState);
  const lookups = [...(instances.lookups ?? [])].filter(([, state]) => state.known);
  const document = plan.document ?? plan.chain;
  return {
    datacenters,
    ...(lookups.length === 0 ? {} : { lookups: lookups.map(([key, state]) => [key, savedState(state)] as const) }),
    policy: document === undefined ? null : { document, origin: plan.origin, index: plan.index },
  };
}

function savedState(state: DatacenterState): SavedDatacenter {
  return {
    datacenter: state.datacenter,
    local: state.local,
    connectOnly: state.connectOnly,
    instances: state.instances,
    filters: [...state.filters].map(([expression, members]) => [expression, [...members]] as const),
  };
}

/**
 * Reads a stored state, checked as if it came from the network: a malformed instance is left out, a policy is validated
 * anew. Undefined when nothing of it is usable. `ageMs`: how old it is; `nowMs`: monotonic.
 */
export function fromStored(
  stored: StoredState,
  rules: PolicyRules,
  ageMs: number,
  nowMs: number,
): LastKnownGood | undefined {
  const { value } = stored;
  if (!isRecord(value) || !Array.isArray(value['datacenters'])) return undefined;
  const read = (saved: unknown): DatacenterState[] => readState(saved, nowMs - Math.max(0, ageMs));
  const datacenters = value['datacenters'].flatMap(read);
  if (datacenters.length === 0) return undefined;
  const lookups = new Map<string, DatacenterState>();
  for (const entry of Array.isArray(value['lookups']) ? value['lookups'] : []) {
    const [state] = Array.isArray(entry) ? read(entry[1]) : [];
    if (state !== undefined && typeof entry[0] === 'string') lookups.set(entry[0], state);
  }
  return {
    instances: { version: 0, datacenters, ...(lookups.size === 0 ? {} : { lookups }) },
    policy: readPolicy(value['policy'], rules),
  };
}

function readState(saved: unknown, sinceMs: number): DatacenterState[] {
  if (!isRecord(saved) || typeof saved['datacenter'] !== 'string' || !Array.isArray(saved['instances'])) return [];
  const instances = saved['instances'].filter(isInstance);
  return [
    {
      datacenter: saved['datacenter'],
      local: saved['local'] === true,
      known: true,
      instances,
      rejected: saved['instances'].length - instances.length,
      connectOnly: saved['connectOnly'] === true,
      filters: readFilters(saved['filters']),
      freshness: { kind: 'stale', sinceMs, reason: 'remembered from before the start' },
    },
  ];
}

function readPolicy(saved: unknown, rules: PolicyRules): PolicyState {
  if (saved === null) return nextPolicyState(UNREAD, { kind: 'absent' }, rules);
  if (!isRecord(saved) || !isRecord(saved['document'])) return UNREAD;
  const { document: content, index, origin } = saved;
  return nextPolicyState(
    UNREAD,
    {
      kind: 'present',
      content,
      format: 'object',
      ...(typeof index === 'string' ? { index } : {}),
      ...(isOrigin(origin) ? { origin } : {}),
    },
    rules,
  );
}

function readFilters(saved: unknown): ReadonlyMap<string, ReadonlySet<string>> {
  const filters = new Map<string, ReadonlySet<string>>();
  for (const entry of Array.isArray(saved) ? saved : []) {
    if (!Array.isArray(entry) || typeof entry[0] !== 'string' || !Array.isArray(entry[1])) continue;
    filters.set(entry[0], new Set(entry[1].filter((key): key is string => typeof key === 'string')));
  }
  return filters;
}

function isInstance(value: unknown): value is Instance {
  if (!isRecord(value)) return false;
  const { key, id, node, datacenter, zone, region, portName, ports, address, port, tags, meta, status, weight } = value;
  const areNames = [key, id, node, datacenter, address].every((name) => typeof name === 'string' && name !== '');
  const isPort = typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535;
  const isStatus = status === 'passing' || status === 'warning' || status === 'critical';
  const isWeight = typeof weight === 'number' && weight >= 0 && Number.isFinite(weight);
  const areTags = Array.isArray(tags) && tags.every((tag) => typeof tag === 'string');
  const isMeta = isRecord(meta) && Object.values(meta).every((one) => typeof one === 'string');
  const areTexts = [zone, region, portName].every((text) => text === undefined || typeof text === 'string');
  const arePorts = ports === undefined || (Array.isArray(ports) && ports.every(isNamedPort));
  return areNames && isPort && arePorts && isStatus && isWeight && areTags && isMeta && areTexts;
}

function isNamedPort(value: unknown): boolean {
  if (!isRecord(value) || typeof value['name'] !== 'string') return false;
  const { port } = value;
  return typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function isOrigin(value: unknown): value is Plan['origin'] {
  return value === 'inline' || value === 'file' || value === 'kv' || value === 'chain';
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
    const hasFailed = state.freshness.kind !== 'fresh' && state.freshness.reason !== undefined;
    const isEmpty = state.known && state.instances.length === 0 && !this.#heard.has(state.datacenter);
    if (!isEmpty && (state.known || !hasFailed)) return state;
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
