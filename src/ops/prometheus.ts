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
  const time: Record<string, string> = atMs === undefined ? {} : { time: inSeconds(atMs) };
  return samplesOf(await ask(server, 'query', { query: expression, ...time }));
}

/** One series of a range query. `values` are by the number of the step, from 0; a step without a value is absent. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: ReadonlyMap<number, number>;
}

/** The steps of a range query: the last is at `endMs`. Whole milliseconds. */
export interface Range {
  readonly endMs: number;
  readonly stepMs: number;
  /** One step less than values. */
  readonly steps: number;
}

/** Runs a range query: https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries. Rejects likewise. */
export async function queryPrometheusRange(
  server: PrometheusServer,
  expression: string,
  { endMs, stepMs, steps }: Range,
): Promise<readonly Series[]> {
  const startMs = endMs - steps * stepMs;
  const form = { query: expression, start: inSeconds(startMs), end: inSeconds(endMs), step: inSeconds(stepMs) };
  const data = await ask(server, 'query_range', form);
  const type = ownValue(data, 'resultType');
  const result = ownValue(data, 'result');
  if (type !== 'matrix' || !Array.isArray(result)) {
    throw new HttpError(`a result of type ${String(type)} (expected: a matrix)`);
  }
  return result.map((each: unknown) => {
    const pairs = ownValue(each, 'values');
    const samples = (Array.isArray(pairs) ? pairs : []).map((pair) => sampleOf({}, pair));
    const values = samples.map(({ at, value }) => [Math.round((at * 1_000 - startMs) / stepMs), value] as const);
    return { labels: labelsOf(ownValue(each, 'metric')), values: new Map(values) };
  });
}

async function ask(
  { url, method, ...request }: PrometheusServer,
  endpoint: string,
  fields: Readonly<Record<string, string>>,
): Promise<unknown> {
  const target = new URL(url);
  target.pathname = `${target.pathname.replace(/\/+$/, '')}/api/v1/${endpoint}`;
  const form = new URLSearchParams(fields);
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

function inSeconds(milliseconds: number): string {
  return (milliseconds / 1_000).toFixed(3);
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
  return {
    labels: labelsOf(metric),
    value: /^[+-]?Inf$/.test(text) ? Number(`${text}inity`) : Number(text),
    at: Number(at),
  };
}

function labelsOf(metric: unknown): Readonly<Record<string, string>> {
  const labels = isRecord(metric) ? metric : {};
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]));
}

/** Inside double quotes, in PromQL and in Prometheus' text format. */
export function quotedText(value: string): string {
  return value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
}
