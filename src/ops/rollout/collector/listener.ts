import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  DURATION_BOUNDS_MS,
  MAX_REPORT_BYTES,
  type ReportedCounts,
  type RolloutMetricsReport,
} from '../../../base/rollout-metrics';
import { ownValue } from '../../../policy/plain-data';
import { type Listening, listenAt } from '../../listen';
import { MeasureError, readCalls, readCount, refuse } from '../analysis/subset-metrics';
import type { Collector, TakenReport } from './collector';

export interface ListenerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Asked anew for each report: the one whose key it carries takes it. All of one kind. */
  readonly takers: readonly ReportTaker[];
  /** In Prometheus' text format. */
  readonly metrics: () => string;
  /** Answers every path that is none of the listener's own. Default: it is unknown. */
  readonly others?: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
}

/** Takes one kind of reports. */
export interface ReportTaker {
  /** Reports of a service go to `/<path>/<service>`. */
  readonly path: string;
  readonly maxBytes: number;
  /** Whether the key is right; undefined for a service that is not collected here. */
  isKey(service: string, given: string): boolean | undefined;
  take(service: string, body: string): TakenReport | { readonly problem: string };
}

/** Reports for the controller of rollouts. */
export function rolloutReports(collector: Collector): ReportTaker {
  return {
    path: 'figures',
    maxBytes: MAX_REPORT_BYTES,
    isKey: (service, given) => collector.isKey(service, given),
    take(service, body) {
      const report = readReport(body);
      return 'problem' in report ? report : collector.take(service, report);
    },
  };
}

/** Longer than clients wait between two reports, so that they keep their connection. */
const KEEP_ALIVE_MS = 15_000;
/** Time limit of a whole request; a slower sender is cut off. */
const REQUEST_LIMIT_MS = 5_000;
const CHECK_EVERY_MS = 1_000;
/** Each client keeps one; room for twice the most that are counted. */
const MAX_CONNECTIONS = 20_000;
const MAX_HEADERS = 50;

/**
 * The one port of who collects: takes reports of clients, and shows Prometheus how the rollouts stand. Rejects with the
 * system's error when the address cannot be used.
 */
export async function startListener(options: ListenerOptions): Promise<Listening> {
  const server = createServer(
    {
      headersTimeout: REQUEST_LIMIT_MS,
      requestTimeout: REQUEST_LIMIT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
      maxHeaderSize: 8_192,
    },
    (request, response) => {
      answer(request, response, options).catch(() => response.destroy());
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.maxHeadersCount = MAX_HEADERS;
  return listenAt(server, options.host, options.port);
}

const STATUS: Readonly<Record<TakenReport, number>> = {
  taken: 204,
  repeated: 204,
  full: 429,
  'other-window': 409,
  closed: 410,
};
const WORDS: Readonly<Record<number, string>> = {
  401: 'authorization: not the key that was announced',
  404: 'path: unknown (expected: that of reports, /metrics or /healthz)',
  405: 'method: another (expected: POST for reports, else GET)',
  409: 'window: not the one that is counted',
  410: 'service: nothing of it is counted here',
  413: 'body: too long',
  429: 'clients: too many report already',
};

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { takers, metrics, others }: ListenerOptions,
): Promise<void> {
  const { method = 'GET', url = '/' } = request;
  const path = url.split('?', 1)[0] ?? '/';
  const slash = path.indexOf('/', 1);
  if (takers.some((taker) => taker.path === path.slice(1, slash))) {
    if (method !== 'POST') return turnAway(response, 405);
    return takeReport(request, response, path.slice(slash + 1), takers);
  }
  if (path !== '/metrics' && path !== '/healthz') {
    return others === undefined ? turnAway(response, 404) : others(request, response);
  }
  if (method !== 'GET' && method !== 'HEAD') return turnAway(response, 405);
  const text = path === '/healthz' ? 'ok\n' : metrics();
  response.setHeader('content-type', path === '/healthz' ? 'text/plain' : 'text/plain; version=0.0.4');
  response.end(method === 'HEAD' ? '' : text);
}

async function takeReport(
  request: IncomingMessage,
  response: ServerResponse,
  encoded: string,
  takers: readonly ReportTaker[],
): Promise<void> {
  const service = decode(encoded);
  // Checked before the body is read, so that strangers cost nothing.
  const given = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const checked = takers.map((taker) => taker.isKey(service, given));
  const taker = takers[checked.indexOf(true)];
  if (taker === undefined) return turnAway(response, checked.includes(false) ? 401 : 410);
  if (Number(request.headers['content-length'] ?? 0) > taker.maxBytes) return turnAway(response, 413);
  const body = await readBody(request, taker.maxBytes);
  if (body === undefined) return turnAway(response, 413);
  const taken = taker.take(service, body);
  if (typeof taken === 'object') return turnAway(response, 400, taken.problem);
  const status = STATUS[taken];
  if (status !== 204) return turnAway(response, status);
  response.statusCode = status;
  response.end();
}

/** Undefined: too long. */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // A reader that stops early would end the connection before the answer is out.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

/** Refuses the request and closes the connection, so that an unread body is not waited for. */
function turnAway(response: ServerResponse, status: number, words = WORDS[status] ?? ''): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  if (status !== 409 && status !== 429) response.setHeader('connection', 'close');
  response.end(`${JSON.stringify({ error: words })}\n`);
}

type Compared = Pick<Required<ReportedCounts>, 'compared' | 'differing'>;

/** Upper bound of every count in a report. */
const MOST = 1e12;
const BUCKETS = DURATION_BOUNDS_MS.length + 1;

/** What a client sent, or the path of the first thing that does not fit. Never throws. */
export function readReport(text: string): RolloutMetricsReport | { readonly problem: string } {
  try {
    const raw: unknown = JSON.parse(text);
    const format = ownValue(raw, 'format');
    if (format !== 1) refuse('format', format, '1');
    return {
      format: 1,
      client: readName(raw, 'client', 64),
      window: readName(raw, 'window', 128),
      number: readCount(ownValue(raw, 'number'), 'number', MOST),
      canary: readCounts(raw, 'canary'),
      stable: readCounts(raw, 'stable'),
    };
  } catch (error) {
    return { problem: error instanceof MeasureError ? error.message : 'body: not JSON (expected: a report)' };
  }
}

function readCounts(report: unknown, name: 'canary' | 'stable'): ReportedCounts {
  const { calls, failures, figures } = readCalls(report, name, MOST);
  const { isShed, neutral, fallbacks, durations, compared } = figures;
  return {
    calls,
    failures,
    isShed: typeof isShed === 'boolean' ? isShed : refuse(`${name}.isShed`, isShed, 'true or false'),
    neutral: readCount(neutral, `${name}.neutral`, MOST),
    fallbacks: readCount(fallbacks, `${name}.fallbacks`, MOST),
    durations: readDurations(durations, `${name}.durations`, calls),
    ...(compared !== undefined && readCompared(figures, name)),
  };
}

function readCompared(figures: Readonly<Record<string, unknown>>, name: string): Compared {
  const compared = readCount(figures['compared'], `${name}.compared`, MOST);
  const differing = readCount(figures['differing'], `${name}.differing`, compared);
  return { compared, differing };
}

function readDurations(value: unknown, path: string, calls: number): readonly number[] {
  if (!Array.isArray(value) || value.length !== BUCKETS) return refuse(path, value, `a list of ${BUCKETS} counts`);
  let sum = 0;
  for (const [index, count] of value.entries()) sum += readCount(count, `${path}[${index}]`, MOST);
  if (sum !== calls) refuse(path, `${sum} in all`, `${calls}, as many as calls`);
  return value;
}

function readName(holder: unknown, key: string, longest: number): string {
  const value = ownValue(holder, key);
  const fits = typeof value === 'string' && value !== '' && value.length <= longest;
  return fits ? value : refuse(key, value, `1 to ${longest} characters`);
}
