import { isRecord } from '../../../base/is-record';
import { nearest } from '../../../base/spelling';
import { parseJsonArray } from '../../../consul/health-answer';
import type { ConsulRequest } from '../../../consul/request';
import type { ConsulDeps, HealthTarget } from './health-target';

/** What Consul tells of a service that has no instances, or of a datacenter that has no path. */
export interface Absence {
  /** This name of another service that Consul lists is near. */
  readonly similar?: string;
  /** The datacenters that Consul knows. */
  readonly datacenters?: readonly string[];
  /** The service exists only behind Connect proxies. */
  readonly connectOnly?: boolean;
}

const TIME_LIMIT_MS = 5_000;
const CONNECT_AGAIN_MS = 30_000;
/** More names than this are not searched: the answer would be large, and a near name likely. */
const MOST_NAMES = 5_000;

/** Asks why nothing is known of a service. What is refused, or fails, claims nothing. */
export class AbsenceChecks {
  readonly #target: HealthTarget;
  readonly #deps: ConsulDeps;
  readonly #onAnswer: (found: Absence) => void;
  readonly #abort = new AbortController();
  /** The catalog is asked once for each outage. */
  #outage = 0;
  #askedIn = -1;
  #isEmpty = false;
  #connectAskedAtMs: number | undefined;

  constructor(target: HealthTarget, deps: ConsulDeps, onAnswer: (found: Absence) => void) {
    this.#target = target;
    this.#deps = deps;
    this.#onAnswer = onAnswer;
  }

  /** The service is registered nowhere here: which name that Consul lists is near. */
  async askName(dc: string | undefined): Promise<void> {
    const text = await this.#askCatalog('/catalog/services', this.#query(dc));
    const names = text === undefined ? [] : namesIn(text);
    const similar = names.length > MOST_NAMES ? undefined : nearest(this.#target.service, names);
    if (similar !== undefined && similar !== this.#target.service) this.#onAnswer({ similar });
  }

  /** Consul has no path to the datacenter: which ones it knows. */
  async askDatacenters(): Promise<void> {
    const text = await this.#askCatalog('/catalog/datacenters', {});
    const list = text === undefined ? '' : parseJsonArray(text);
    if (typeof list === 'string') return;
    this.#onAnswer({ datacenters: list.filter((name): name is string => typeof name === 'string').slice(0, 20) });
  }

  /**
   * Called with each good answer. While there is no instance, asks at most once in 30 s whether some are behind Connect
   * proxies. With instances, the next outage is asked about again.
   */
  answered(isEmpty: boolean, dc: string | undefined): void {
    const nowMs = this.#deps.clock.now();
    this.#isEmpty = isEmpty;
    if (!isEmpty) {
      this.#outage += 1;
      this.#connectAskedAtMs = undefined;
    } else if (this.#connectAskedAtMs === undefined || nowMs - this.#connectAskedAtMs >= CONNECT_AGAIN_MS) {
      this.#connectAskedAtMs = nowMs;
      void this.#askConnect(dc);
    }
  }

  /**
   * Whether the token may not read the service. Health queries do not tell: they answer with an empty list, which
   * servers before 1.12 do not even mark. A service's defaults need the same permission, `service:read`, and their read
   * is refused outright. Anything but Consul's own refusal speaks neither for nor against.
   * https://developer.hashicorp.com/consul/api-docs/config#get-configuration
   */
  async isForbidden(dc: string | undefined): Promise<boolean> {
    const query = { ...(dc === undefined ? {} : { dc }), stale: '1' };
    const answer = await this.#get('/config/service-defaults/{service}', query);
    // A gateway in between may refuse the path for reasons of its own.
    return answer.kind === 'failure' && answer.status === 403 && /permission denied|acl not found/i.test(answer.reason);
  }

  close(): void {
    this.#abort.abort();
  }

  async #askConnect(dc: string | undefined): Promise<void> {
    const answer = await this.#get('/health/connect/{service}', this.#query(dc));
    if (this.#abort.signal.aborted || !this.#isEmpty || answer.kind !== 'answer') return;
    const entries = parseJsonArray(answer.body.toString('utf8'));
    if (typeof entries !== 'string') this.#onAnswer({ connectOnly: entries.length > 0 });
  }

  async #askCatalog(path: string, query: NonNullable<ConsulRequest['query']>): Promise<string | undefined> {
    const outage = this.#outage;
    if (this.#askedIn === outage) return undefined;
    this.#askedIn = outage;
    const answer = await this.#get(path, query);
    const isLate = this.#abort.signal.aborted || this.#outage !== outage;
    return isLate || answer.kind !== 'answer' ? undefined : answer.body.toString('utf8');
  }

  #query(dc: string | undefined): NonNullable<ConsulRequest['query']> {
    return { ...this.#target.scope, ...(dc === undefined ? {} : { dc }), stale: '1' };
  }

  #get(path: string, query: NonNullable<ConsulRequest['query']>): ReturnType<ConsulDeps['client']['get']> {
    const params = path.includes('{service}') ? { params: { service: this.#target.service } } : {};
    return this.#deps.client.get({ path, ...params, query, timeLimitMs: TIME_LIMIT_MS, signal: this.#abort.signal });
  }
}

function namesIn(text: string): readonly string[] {
  try {
    const services: unknown = JSON.parse(text);
    return isRecord(services) ? Object.keys(services) : [];
  } catch {
    return [];
  }
}
