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
  { url, method, ...request }: PrometheusServer,
  expression: string,
  atMs?: number,
): Promise<readonly Sample[]> {
  const target = new URL(url);
  target.pathname = `${target.pathname.replace(/\/+$/, '')}/api/v1/query`;
  const time = atMs === undefined ? {} : { time: (atMs / 1_000).toFixed(3) };
  const form = new URLSearchParams({ query: expression, ...time });
  if (method === 'GET') for (const [name, value] of form) target.searchParams.append(name, value);
  const headers = { ...request.headers, 'content-type': 'application/x-www-form-urlencoded' };
  const post = { headers, body: form.toString() };
  const { status, body } = await requestJson({ ...request, url: target, ...(method === 'POST' ? post : {}) });
  if (status !== 200) {
    const said = ownValue(body, 'error');
    const why = typeof said === 'string' ? `: ${shortenMiddle(said, MOST_CHARACTERS)}` : '';
    throw new HttpError(`HTTP ${status}${why} (expected: 200)`);
  }
  return samplesOf(ownValue(body, 'data'));
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
