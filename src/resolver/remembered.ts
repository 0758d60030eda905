import type { DatacenterState, Instance } from '../discovery/source';
import type { StoredState } from '../discovery/state-store';
import { isRecord } from '../internal/is-record';
import type { Plan } from '../policy/plan';
import { decidingPlan, type InstanceSet, type Snapshot } from '../snapshot/snapshot';
import { nextPolicyState, type PolicyRules, type PolicyState, UNREAD } from './policy-state';

/** What was known of a service before it was let go of, or before the process started. */
export interface Remembered {
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
  const datacenters: SavedDatacenter[] = instances.datacenters
    .filter((state) => state.known)
    .map((state) => ({
      datacenter: state.datacenter,
      local: state.local,
      connectOnly: state.connectOnly,
      instances: state.instances,
      filters: [...state.filters].map(([expression, members]) => [expression, [...members]] as const),
    }));
  const policy =
    plan.document === undefined ? null : { document: plan.document, origin: plan.origin, index: plan.index };
  return { datacenters, policy };
}

/**
 * Reads it back, checked as if it came from the network: a malformed instance is left out, a policy is validated anew.
 * Undefined when nothing of it is usable. `ageMs`: how old it is; `nowMs`: monotonic.
 */
export function fromStored(
  stored: StoredState,
  rules: PolicyRules,
  ageMs: number,
  nowMs: number,
): Remembered | undefined {
  const { value } = stored;
  if (!isRecord(value) || !Array.isArray(value['datacenters'])) return undefined;
  const datacenters = value['datacenters'].flatMap((each: unknown): DatacenterState[] => {
    if (!isRecord(each) || typeof each['datacenter'] !== 'string' || !Array.isArray(each['instances'])) return [];
    const instances = each['instances'].filter(isInstance);
    return [
      {
        datacenter: each['datacenter'],
        local: each['local'] === true,
        known: true,
        instances,
        rejected: each['instances'].length - instances.length,
        connectOnly: each['connectOnly'] === true,
        filters: readFilters(each['filters']),
        freshness: { kind: 'stale', sinceMs: nowMs - Math.max(0, ageMs), reason: 'remembered from before the start' },
      },
    ];
  });
  if (datacenters.length === 0) return undefined;
  return { instances: { version: 0, datacenters }, policy: readPolicy(value['policy'], rules) };
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
  const { key, id, node, datacenter, zone, address, port, tags, meta, status, weight } = value;
  const areNames = [key, id, node, datacenter, address].every((name) => typeof name === 'string' && name !== '');
  const isPort = typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535;
  const isStatus = status === 'passing' || status === 'warning' || status === 'critical';
  const isWeight = typeof weight === 'number' && weight >= 0 && Number.isFinite(weight);
  const areTags = Array.isArray(tags) && tags.every((tag) => typeof tag === 'string');
  const isMeta = isRecord(meta) && Object.values(meta).every((one) => typeof one === 'string');
  const isZone = zone === undefined || typeof zone === 'string';
  return areNames && isPort && isStatus && isWeight && areTags && isMeta && isZone;
}

function isOrigin(value: unknown): value is Plan['origin'] {
  return value === 'inline' || value === 'file' || value === 'kv';
}
