import { GraylaneError } from '../../base/errors';
import { OptionReader } from '../../base/option-reader';
import { SDK_VERSION } from '../../base/sdk-version';
import type { EventResponse } from '../../base/web/event-clients';
import { refusalOf, type WebRequest } from '../../base/web/foreign';
import { sendPage, sendPageFile, setPageHeaders, type WebResponse, wantsPage } from '../../base/web/page-files';
import type { RecentDecision } from './recent-decisions';

/** A request, as Node's `http` and what frameworks derive from it have it. */
interface AdminRequest extends WebRequest {
  /** Express: the whole address, where it was mounted under a prefix. */
  readonly originalUrl?: string | undefined;
}

/** A response of the same. What cannot be written to piece by piece gets all but the page's stream. */
interface AdminResponse extends WebResponse, Partial<Pick<EventResponse, StreamKeys>> {}

/** What a stream needs of a response beside what every answer does. */
type StreamKeys = 'write' | 'on' | 'flushHeaders' | 'destroy' | 'writableLength';

/** Answers a request; for `http`, Express and Fastify. */
export type AdminHandler = (request: AdminRequest, response: AdminResponse) => void;

/** Who may ask an `adminHandler()`. */
export interface AdminHandlerOptions {
  /**
   * Host names, without ports, that it is asked by beside `localhost` and addresses, such as that of a proxy before it.
   * Default: on a listener of loopback none, elsewhere any. With it, others are refused wherever it listens.
   */
  readonly hosts?: readonly string[];
}

interface InspectedService {
  readonly service: string;
  readonly target: string;
  readonly policy: object;
}

interface AdminSource {
  readonly name: string;
  inspect(): { readonly services: readonly InspectedService[] };
  explain(service: string, request: { method: string; labels: Record<string, string> }): object;
  decisions(): readonly RecentDecision[];
  /** The last minutes of a service, by its name; of each of its targets. */
  traffic(service: string | undefined): readonly object[];
  /** Streams what the page shows, of one service in detail. False: there are too many viewers. */
  stream(response: EventResponse, service: string | undefined): boolean;
}

const PATHS = ['/inspect', '/explain', '/decisions', '/traffic', '/policy', '/stream'];
/** Of a query: `label.x-gray=canary`. */
const LABEL = 'label.';

/**
 * Serves a client's state: to browsers as a page, to others as JSON. Reads only: nothing here changes anything,
 * whatever the method. The last part of the path says what is wanted, so that it can be mounted anywhere. Throws
 * INVALID_OPTION.
 */
export function createAdminHandler(source: AdminSource, options: AdminHandlerOptions = {}): AdminHandler {
  const hosts = parseHosts(options);
  return (request, response) => {
    const refusal = refusalOf(request, hosts);
    if (refusal !== undefined) return send(request, response, problem(403, refusal));
    const { pathname, query } = split(request.url ?? '/');
    const name = pathname.slice(pathname.lastIndexOf('/') + 1);
    const isRead = request.method === undefined || request.method === 'GET' || request.method === 'HEAD';
    if (isRead) {
      if (servePage(request, response, name)) return;
      if (name === 'stream' && request.method !== 'HEAD' && isStreamed(response)) {
        if (source.stream(response, query.get('service') ?? undefined)) return;
        response.setHeader('retry-after', '10');
        return send(request, response, problem(503, 'too many pages are open (expected: 8 at most)'));
      }
    }
    send(request, response, answer(source, request.method ?? 'GET', name, query));
  };
}

function isStreamed(response: AdminResponse): response is AdminResponse & EventResponse {
  return response.write !== undefined && response.on !== undefined;
}

function parseHosts(options: AdminHandlerOptions): readonly string[] | undefined {
  const reader = new OptionReader(options, 'adminHandler', ['hosts']);
  const hosts = reader.optional('hosts', () => reader.texts('hosts'));
  reader.throwProblems();
  return hosts?.map((host) => host.toLowerCase());
}

/** True: it was the page, what belongs to it, or the way there, and is answered. */
function servePage(request: AdminRequest, response: AdminResponse, name: string): boolean {
  if (sendPageFile(request, response, name)) return true;
  if (!wantsPage(request) || PATHS.includes(`/${name}`)) return false;
  // The page names what it loads relative to a slash at the end.
  const { pathname } = split(request.originalUrl ?? request.url ?? '/');
  const last = pathname.slice(pathname.lastIndexOf('/') + 1);
  if (last === '') {
    sendPage(request, response, 'process');
    return true;
  }
  setPageHeaders(response);
  response.statusCode = 307;
  response.setHeader('location', `./${last}/`);
  response.end();
  return true;
}

function split(url: string): { readonly pathname: string; readonly query: URLSearchParams } {
  const [pathname = '', search = ''] = url.split('?', 2);
  return { pathname, query: new URLSearchParams(search) };
}

function send(request: AdminRequest, response: AdminResponse, { status, body }: Answer): void {
  setPageHeaders(response);
  response.statusCode = status;
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.setHeader('cache-control', 'no-store');
  response.setHeader('vary', 'accept');
  response.end(request.method === 'HEAD' ? '' : `${JSON.stringify(body, undefined, 2)}\n`);
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

function answer(source: AdminSource, method: string, name: string, query: URLSearchParams): Answer {
  if (method !== 'GET' && method !== 'HEAD') return problem(405, `method: ${method.slice(0, 20)} (expected: GET)`);
  try {
    switch (name) {
      case '':
        return { status: 200, body: { client: source.name, version: SDK_VERSION, paths: PATHS } };
      case 'inspect':
        return { status: 200, body: source.inspect() };
      case 'decisions':
        return { status: 200, body: source.decisions() };
      case 'traffic':
        return { status: 200, body: source.traffic(query.get('service') ?? undefined) };
      case 'policy':
        return policy(source, query.get('service'));
      case 'explain':
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
