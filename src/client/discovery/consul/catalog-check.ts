import { isRecord } from '../../../base/is-record';
import { nearest } from '../../../base/spelling';
import { parseJsonArray } from '../../../consul/health-answer';
import type { ConsulDeps, HealthTarget } from './health-target';

/** What the catalog tells of a name that nothing is known of. One question for each outage; refused: nothing is claimed. */
export interface CatalogCheck {
  /** The service is registered nowhere here: which name that Consul lists is near. */
  askName(dc: string | undefined): void;
  /** Consul has no path to the datacenter: which ones it knows. */
  askDatacenters(): Promise<void>;
  /** Found, or known by other means: the next outage is asked about again. */
  reset(): void;
  close(): void;
}

export interface CatalogAnswer {
  readonly similar?: string;
  readonly datacenters?: readonly string[];
}

const TIME_LIMIT_MS = 5_000;
/** More names than this are not searched: the answer would be large, and a near name likely. */
const MOST_NAMES = 5_000;

export function createCatalogCheck(
  target: HealthTarget,
  { client }: ConsulDeps,
  onAnswer: (answer: CatalogAnswer) => void,
): CatalogCheck {
  const abort = new AbortController();
  let outage = 0;
  let asked = -1;

  const ask = async (
    path: string,
    query: Record<string, string>,
    read: (text: string) => CatalogAnswer | undefined,
  ): Promise<void> => {
    if (asked === outage) return;
    asked = outage;
    const answer = await client.get({ path, query, timeLimitMs: TIME_LIMIT_MS, signal: abort.signal });
    if (abort.signal.aborted || asked !== outage || answer.kind !== 'answer') return;
    const found = read(answer.body.toString('utf8'));
    if (found !== undefined) onAnswer(found);
  };

  return {
    askName: (dc) =>
      void ask('/catalog/services', { ...target.scope, ...(dc === undefined ? {} : { dc }), stale: '1' }, (text) => {
        const names = namesIn(text);
        const similar = names.length > MOST_NAMES ? undefined : nearest(target.service, names);
        return similar === undefined || similar === target.service ? undefined : { similar };
      }),
    askDatacenters: () =>
      ask('/catalog/datacenters', {}, (text) => {
        const list = parseJsonArray(text);
        if (typeof list === 'string') return undefined;
        return { datacenters: list.filter((name): name is string => typeof name === 'string').slice(0, 20) };
      }),
    reset() {
      outage += 1;
    },
    close: () => abort.abort(),
  };
}

function namesIn(text: string): readonly string[] {
  try {
    const services: unknown = JSON.parse(text);
    return isRecord(services) ? Object.keys(services) : [];
  } catch {
    return [];
  }
}
