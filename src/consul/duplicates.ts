import { HEALTH_RANK } from '../base/health-rank';
import type { DuplicateInstance, Instance } from '../base/instances';

/** More are not named, however many an answer holds. */
const MOST_NAMED = 20;

export interface Distinct {
  /** Ordered by key. */
  readonly instances: readonly Instance[];
  /** The first few. */
  readonly duplicates: readonly DuplicateInstance[];
}

const NONE: readonly DuplicateInstance[] = [];

/**
 * One of each key and of each address: what was registered last says what runs there, whatever its health; where that is not
 * known or the same, the healthiest, then the first by key. In whatever order the entries come.
 */
export function distinctOf(entries: readonly Instance[]): Distinct {
  if (areDistinct(entries)) return { instances: entries, duplicates: NONE };
  const byClaim = new Map<string, Instance>();
  const duplicates: DuplicateInstance[] = [];
  const kept = [...entries].sort(byAge).filter((instance) => {
    const endpoint = endpointOf(instance);
    const other = byClaim.get(instance.key) ?? byClaim.get(endpoint);
    if (other === undefined) {
      byClaim.set(instance.key, instance).set(endpoint, instance);
      return true;
    }
    if (duplicates.length < MOST_NAMED) duplicates.push({ endpoint, counts: other.id, leftOut: instance.id });
    return false;
  });
  return { instances: kept.sort((a, b) => compare(a.key, b.key)), duplicates };
}

/** As Consul lists them as a rule: by key, each once, and each address once. */
function areDistinct(entries: readonly Instance[]): boolean {
  const seen = new Set<string>();
  for (const [at, instance] of entries.entries()) {
    if (at > 0 && (entries[at - 1] as Instance).key >= instance.key) return false;
    seen.add(endpointOf(instance));
  }
  return seen.size === entries.length;
}

function endpointOf({ address, port }: Instance): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function byAge(a: Instance, b: Instance): number {
  return (
    (b.registered ?? 0) - (a.registered ?? 0) ||
    HEALTH_RANK[a.status] - HEALTH_RANK[b.status] ||
    compare(a.key, b.key) ||
    compare(a.address, b.address) ||
    a.port - b.port
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
