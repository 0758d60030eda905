import { HttpError, type JsonRequest, requestJson } from '../base/http-json';
import { isRecord } from '../base/is-record';
import { shortenMiddle } from '../base/shorten';
import { ownValue } from '../policy/plain-data';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Time of the query, in seconds. */
  readonly at: number;
}

/** How a Prometheus is asked. `url` is its address with the path that it is served under. */
export interface PrometheusServer extends Pick<JsonRequest, 'url' | 'headers' | 'token' | 'signal'> {
  readonly timeoutMs: number;
  /** POST takes longer queries. */
  readonly method: 'GET' | 'POST';
}

/** Of what Prometheus says about a query that it refuses. */
const MOST_CHARACTERS = 300;

/**
 * Runs an instant query, as of `atMs` or now, by Prometheus' HTTP API, which Thanos, Mimir and VictoriaMetrics speak as
 * well: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries. A scalar is one sample without
 * labels. Rejects with an {@link HttpError}.
 */
export async function queryPrometheus(
  server: PrometheusServer,
  expression: string,
  atMs?: number,
): Promise<readonly Sample[]> {
  const time = atMs === undefined ? {} : { time: (atMs / 1_000).toFixed(3) };
  return samplesOf(await ask(server, 'query', { query: expression, ...time }));
}

/** One line of a range. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** By the time in seconds. Without a value where there was none, or no number. */
  readonly values: ReadonlyMap<number, number>;
}

/** From `startSeconds` to `endSeconds`, both included, a value each `stepSeconds`. */
export interface QueriedRange {
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly stepSeconds: number;
}

/**
 * Runs a range query: https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries. Rejects with an
 * {@link HttpError}.
 */
export async function queryPrometheusRange(
  server: PrometheusServer,
  expression: string,
  { startSeconds, endSeconds, stepSeconds }: QueriedRange,
): Promise<readonly Series[]> {
  const range = { start: String(startSeconds), end: String(endSeconds), step: String(stepSeconds) };
  const data = await ask(server, 'query_range', { query: expression, ...range });
  const result = ownValue(data, 'result');
  if (ownValue(data, 'resultType') !== 'matrix' || !Array.isArray(result)) {
    throw new HttpError('a result of another type (expected: a matrix)');
  }
  return result.map((each: unknown) => {
    const pairs = ownValue(each, 'values');
    const samples = (Array.isArray(pairs) ? pairs : []).map((pair: unknown) =>
      sampleOf(ownValue(each, 'metric'), pair),
    );
    const known = samples.filter(({ value }) => Number.isFinite(value));
    return {
      labels: sampleOf(ownValue(each, 'metric'), [0, '0']).labels,
      values: new Map(known.map(({ at, value }) => [at, value])),
    };
  });
}

/** The data of an answer of Prometheus' API. */
async function ask(
  { url, method, ...request }: PrometheusServer,
  endpoint: 'query' | 'query_range',
  parameters: Readonly<Record<string, string>>,
): Promise<unknown> {
  const target = new URL(url);
  target.pathname = `${target.pathname.replace(/\/+$/, '')}/api/v1/${endpoint}`;
  const form = new URLSearchParams(parameters);
  if (method === 'GET') for (const [name, value] of form) target.searchParams.append(name, value);
  const headers = { ...request.headers, 'content-type': 'application/x-www-form-urlencoded' };
  const post = { headers, body: form.toString() };
  const { status, body } = await requestJson({ ...request, url: target, ...(method === 'POST' ? post : {}) });
  if (status !== 200) {
    const said = ownValue(body, 'error');
    const why = typeof said === 'string' ? `: ${shortenMiddle(said, MOST_CHARACTERS)}` : '';
    throw new HttpError(`HTTP ${status}${why} (expected: 200)`);
  }
  return ownValue(body, 'data');
}

function samplesOf(data: unknown): readonly Sample[] {
  const type = ownValue(data, 'resultType');
  const result = ownValue(data, 'result');
  if (type === 'scalar') return [sampleOf({}, result)];
  if (type !== 'vector' || !Array.isArray(result)) {
    throw new HttpError(`a result of type ${String(type)} (expected: a scalar or a vector)`);
  }
  return result.map((each: unknown) => sampleOf(ownValue(each, 'metric'), ownValue(each, 'value')));
}

function sampleOf(metric: unknown, pair: unknown): Sample {
  const [at, text]: unknown[] = Array.isArray(pair) ? pair : [];
  if (typeof text !== 'string') throw new HttpError('a sample without a value (expected: [time, "value"])');
  const labels = isRecord(metric) ? metric : {};
  return {
    labels: Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)])),
    value: /^[+-]?Inf$/.test(text) ? Number(`${text}inity`) : Number(text),
    at: Number(at),
  };
}
