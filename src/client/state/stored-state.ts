import type { DatacenterState, Instance } from '../../base/instances';
import { isRecord } from '../../base/is-record';
import { decidingPlan, type Snapshot } from '../../policy/membership/snapshot';
import type { Plan } from '../../policy/plan';
import { NO_LISTS, ValueList, type ValueLists } from '../../policy/value-list';
import type { StoredState } from '../discovery/state-store';
import { isPort, isTexts } from '../discovery/static-instance';
import type { LastKnownGood } from './last-known-good';
import type { OtherServices, OtherStates } from './other-policies';
import { nextPolicyState, type PolicyRules, type PolicyState, UNREAD } from './policy-state';

interface SavedDatacenter {
  readonly datacenter: string;
  readonly local: boolean;
  readonly connectOnly: boolean;
  readonly instances: readonly Instance[];
  readonly filters: readonly (readonly [string, readonly string[]])[];
}

/** What goes to disk of a snapshot: what discovery and the policy source delivered, nothing else. */
export function toStored(snapshot: Snapshot, others: OtherStates = new Map(), lists: ValueLists = NO_LISTS): object {
  const { instances } = snapshot;
  const plan = decidingPlan(snapshot);
  const datacenters = instances.datacenters.filter((state) => state.known).map(savedState);
  const lookups = [...(instances.lookups ?? [])].filter(([, state]) => state.known);
  const known = [...others].flatMap(([service, { plan: other }]) =>
    other === undefined ? [] : [[service, savedPolicy(other)]],
  );
  const listed = (plan.lists ?? []).flatMap((name) => {
    const values = lists.get(name);
    return values === undefined ? [] : [[name, [...values]] as const];
  });
  return {
    datacenters,
    ...(listed.length === 0 ? {} : { lists: listed }),
    ...(lookups.length === 0 ? {} : { lookups: lookups.map(([key, state]) => [key, savedState(state)] as const) }),
    policy: savedPolicy(plan),
    ...(known.length === 0 ? {} : { others: known }),
  };
}

function savedPolicy({ document, chain, origin, index }: Plan): object | null {
  const content = document ?? chain;
  return content === undefined ? null : { document: content, origin, index };
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
  otherServices: OtherServices | undefined,
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
    lists: readLists(value['lists']),
    ...(otherServices !== undefined && { others: readOthers(value['others'], otherServices) }),
  };
}

function readOthers(saved: unknown, otherServices: OtherServices): OtherStates {
  const others = new Map<string, PolicyState>();
  for (const entry of Array.isArray(saved) ? saved : []) {
    if (!Array.isArray(entry) || typeof entry[0] !== 'string') continue;
    others.set(entry[0], readPolicy(entry[1], otherServices.of(entry[0]).rules));
  }
  return others;
}

function readLists(saved: unknown): ReadonlyMap<string, ValueList> {
  const lists = new Map<string, ValueList>();
  for (const entry of Array.isArray(saved) ? saved : []) {
    if (!Array.isArray(entry) || typeof entry[0] !== 'string' || !Array.isArray(entry[1])) continue;
    lists.set(entry[0], new ValueList(entry[1].filter((value) => typeof value === 'string')));
  }
  return lists;
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
  const isStatus = status === 'passing' || status === 'warning' || status === 'critical';
  const isWeight = typeof weight === 'number' && weight >= 0 && Number.isFinite(weight);
  const areTags = Array.isArray(tags) && tags.every((tag) => typeof tag === 'string');
  const areTexts = [zone, region, portName].every((text) => text === undefined || typeof text === 'string');
  const arePorts = ports === undefined || (Array.isArray(ports) && ports.every(isNamedPort));
  return areNames && isPort(port) && arePorts && isStatus && isWeight && areTags && isTexts(meta) && areTexts;
}

function isNamedPort(value: unknown): boolean {
  return isRecord(value) && typeof value['name'] === 'string' && isPort(value['port']);
}

function isOrigin(value: unknown): value is Plan['origin'] {
  return value === 'inline' || value === 'file' || value === 'kv' || value === 'chain';
}
