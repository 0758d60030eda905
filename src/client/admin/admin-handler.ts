import { GraylaneError } from '../../base/errors';
import type { DecidedBy, Decision } from '../../policy/plan';

/** What is used of Node's request and response, and of what frameworks derive from them. */
export type AdminHandler = (
  request: { readonly method?: string | undefined; readonly url?: string | undefined },
  response: {
    statusCode: number;
    setHeader(name: string, value: string): unknown;
    end(text: string): unknown;
  },
) => void;

interface InspectedService {
  readonly service: string;
  readonly target: string;
  readonly policy: object;
}

interface AdminSource {
  inspect(): { readonly services: readonly InspectedService[] };
  explain(service: string, request: { method: string; labels: Record<string, string> }): object;
  decisions(): readonly RecentDecision[];
}

const PATHS = ['/inspect', '/explain', '/decisions', '/policy'];
/** Of a query: `label.x-gray=canary`. */
const LABEL = 'label.';

/**
 * Serves a client's state as JSON. Reads only: nothing here changes anything, whatever the method. The last part of the
 * path says what is wanted, so that it can be mounted anywhere.
 */
export function createAdminHandler(source: AdminSource): AdminHandler {
  return (request, response) => {
    const { status, body } = answer(source, request.method ?? 'GET', request.url ?? '/');
    response.statusCode = status;
    response.setHeader('content-type', 'application/json; charset=utf-8');
    response.setHeader('cache-control', 'no-store');
    response.end(request.method === 'HEAD' ? '' : `${JSON.stringify(body, undefined, 2)}\n`);
  };
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

function answer(source: AdminSource, method: string, target: string): Answer {
  if (method !== 'GET' && method !== 'HEAD') return problem(405, `method: ${method.slice(0, 20)} (expected: GET)`);
  const [path = '', search = ''] = target.split('?', 2);
  const query = new URLSearchParams(search);
  try {
    switch (path.slice(path.lastIndexOf('/'))) {
      case '/inspect':
        return { status: 200, body: source.inspect() };
      case '/decisions':
        return { status: 200, body: source.decisions() };
      case '/policy':
        return policy(source, query.get('service'));
      case '/explain':
        return explain(source, query);
      default:
        return problem(404, `path: unknown (expected: ${PATHS.join(', ')})`);
    }
  } catch (error) {
    if (!(error instanceof GraylaneError)) return problem(500, 'it failed; see the log of the process');
    return { status: error.code === 'NOT_READY' ? 503 : 400, body: { code: error.code, error: error.message } };
  }
}

function policy(source: AdminSource, wanted: string | null): Answer {
  const all = source.inspect().services.map(({ service, policy: found }) => ({ service, ...found }));
  if (wanted === null) return { status: 200, body: all };
  const found = all.find(({ service }) => service === wanted);
  return found === undefined ? problem(404, unknownService(all)) : { status: 200, body: found };
}

function explain(source: AdminSource, query: URLSearchParams): Answer {
  const { services } = source.inspect();
  const wanted = query.get('service');
  const method = query.get('method');
  // By its target, since a name alone would mean another service where a Graylane client has both kinds.
  const found = services.find(({ service, target }) => service === wanted || target === wanted);
  if (found === undefined) return problem(404, unknownService(services));
  if (method === null || !method.startsWith('/')) {
    return problem(400, 'method: absent (expected: /package.Service/Method)');
  }
  const labels: Record<string, string> = {};
  for (const [key, value] of query) if (key.startsWith(LABEL)) labels[key.slice(LABEL.length).toLowerCase()] = value;
  return { status: 200, body: source.explain(found.target, { method, labels }) };
}

function unknownService(services: readonly { readonly service: string }[]): string {
  return `service: unknown (expected: ${services.map(({ service }) => service).join(', ')})`;
}

function problem(status: number, error: string): Answer {
  return { status, body: { error } };
}

const MOST = 200;

/** One decision as `adminHandler()` lists it. No label values: those may be personal. */
export interface RecentDecision {
  /** ISO 8601. */
  readonly at: string;
  readonly service: string;
  readonly method: string;
  readonly by: DecidedBy;
  readonly route: string;
  readonly subset: string;
  readonly revision: string;
  readonly sticky: boolean;
}

/** The last 200 decisions of a Graylane client; their plain form is made only for a request. */
export class RecentDecisions {
  readonly #ring: { readonly atMs: number; readonly decision: Decision; readonly method: string; sticky: boolean }[] =
    [];
  #next = 0;

  add(
    atMs: number,
    decision: Decision,
    { method, sticky }: { readonly method: string; readonly sticky: boolean },
  ): void {
    this.#ring[this.#next] = { atMs, decision, method, sticky };
    this.#next = (this.#next + 1) % MOST;
  }

  /** Newest first. */
  list(): readonly RecentDecision[] {
    const inOrder = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    return inOrder.reverse().map(({ atMs, decision, method, sticky }) => ({
      at: new Date(atMs).toISOString(),
      service: decision.plan.service,
      method,
      by: decision.by,
      route: decision.route,
      subset: decision.destination.subset,
      revision: decision.plan.revision,
      sticky,
    }));
  }
}
