import { isRecord } from '../../../base/is-record';
import { nearest } from '../../../base/spelling';
import { parseJsonArray } from '../../../consul/health-answer';
import type { ConsulDeps, HealthTarget } from './health-target';

/**
 * What the catalog tells of a name that nothing is known of. One question for each outage; refused: nothing is claimed.
 */
interface CatalogCheck {
  /** The service is registered nowhere here: which name that Consul lists is near. */
  askName(dc: string | undefined): void;
  /** Consul has no path to the datacenter: which ones it knows. */
  askDatacenters(): Promise<void>;
  /** Found, or known by other means: the next outage is asked about again. */
  reset(): void;
  close(): void;
}

interface CatalogAnswer {
  readonly similar?: string;
  readonly datacenters?: readonly string[];
}

const CATALOG_LIMIT_MS = 5_000;
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
    const answer = await client.get({ path, query, timeLimitMs: CATALOG_LIMIT_MS, signal: abort.signal });
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

/** Tells an absent service from one that exists only behind Connect proxies. */
interface ConnectCheck {
  /** Called with each good answer. Asks at most once in 30 s, and only while there is nothing. */
  consider(isEmpty: boolean): void;
  close(): void;
}

const RECHECK_MS = 30_000;
const CONNECT_LIMIT_MS = 5000;

export function createConnectCheck(
  target: HealthTarget,
  dcParameter: () => string | undefined,
  deps: ConsulDeps,
  onResult: (connectOnly: boolean) => void,
): ConnectCheck {
  const abort = new AbortController();
  let askedAtMs: number | undefined;
  let wanted = false;

  const ask = async (): Promise<void> => {
    const dc = dcParameter();
    const answer = await deps.client.get({
      path: '/health/connect/{service}',
      params: { service: target.service },
      query: { ...target.scope, ...(dc === undefined ? {} : { dc }), stale: '1' },
      timeLimitMs: CONNECT_LIMIT_MS,
      signal: abort.signal,
    });
    // Refused or failed: nothing is known, and nothing is claimed.
    if (abort.signal.aborted || !wanted || answer.kind !== 'answer') return;
    const entries = parseJsonArray(answer.body.toString('utf8'));
    if (typeof entries !== 'string') onResult(entries.length > 0);
  };

  return {
    consider(isEmpty) {
      wanted = isEmpty;
      const nowMs = deps.clock.now();
      if (!isEmpty) askedAtMs = undefined;
      else if (askedAtMs === undefined || nowMs - askedAtMs >= RECHECK_MS) {
        askedAtMs = nowMs;
        void ask();
      }
    },
    close: () => abort.abort(),
  };
}

const PERMISSION_LIMIT_MS = 5_000;

/**
 * Whether the token may not read the service. Health queries do not tell: they answer with an empty list, which servers
 * before 1.12 do not even mark. A service's defaults need the same permission, `service:read`, and their read is
 * refused outright. Anything but Consul's own refusal speaks neither for nor against.
 * https://developer.hashicorp.com/consul/api-docs/config#get-configuration
 */
export async function isForbidden(
  target: HealthTarget,
  dc: string | undefined,
  deps: ConsulDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await deps.client.get({
    path: '/config/service-defaults/{service}',
    params: { service: target.service },
    query: { ...(dc === undefined ? {} : { dc }), stale: '1' },
    timeLimitMs: PERMISSION_LIMIT_MS,
    signal,
  });
  // A gateway in between may refuse the path for reasons of its own.
  return answer.kind === 'failure' && answer.status === 403 && /permission denied|acl not found/i.test(answer.reason);
}
