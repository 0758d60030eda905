import { isRecord } from '../../../base/is-record';
import { ownValue } from '../../../policy/plain-data';
import type { PrometheusConfig } from '../config/controller-config';
import { MeasureError, postForJson } from './requests';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Instant queries of Prometheus' HTTP API, and of what speaks it too (Thanos, Mimir, VictoriaMetrics). */
export interface PrometheusApi {
  /** As of `atMs`. A scalar is one sample without labels. */
  query(expression: string, atMs: number, signal?: AbortSignal): Promise<readonly Sample[]>;
}

export function createPrometheusApi(
  { address, headers, timeoutMs = 10_000 }: PrometheusConfig,
  token: string | undefined,
): PrometheusApi {
  const url = `${address.replace(/\/+$/, '')}/api/v1/query`;
  return {
    async query(expression, atMs, signal) {
      const { status, body } = await postForJson({
        url,
        headers,
        contentType: 'application/x-www-form-urlencoded',
        body: new URLSearchParams({ query: expression, time: (atMs / 1_000).toFixed(3) }).toString(),
        token,
        timeoutMs,
        signal,
      });
      if (status !== 200 || ownValue(body, 'status') !== 'success') {
        const said = ownValue(body, 'error');
        throw new MeasureError(`${status}${typeof said === 'string' ? ` ${said.slice(0, 300)}` : ''} (expected: 200)`);
      }
      return samplesOf(ownValue(body, 'data'));
    },
  };
}

function samplesOf(data: unknown): readonly Sample[] {
  const type = ownValue(data, 'resultType');
  const result = ownValue(data, 'result');
  if (type === 'scalar') return [{ labels: {}, value: numberIn(result) }];
  if (type !== 'vector' || !Array.isArray(result)) {
    throw new MeasureError(`a result of type ${String(type)} (expected: a scalar or a vector)`);
  }
  return result.map((each: unknown) => ({
    labels: labelsOf(ownValue(each, 'metric')),
    value: numberIn(ownValue(each, 'value')),
  }));
}

function numberIn(pair: unknown): number {
  const text: unknown = Array.isArray(pair) ? pair[1] : undefined;
  if (typeof text !== 'string') throw new MeasureError('a sample without a value (expected: [time, "value"])');
  if (/^[+-]?Inf$/.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return Number(text);
}

function labelsOf(metric: unknown): Readonly<Record<string, string>> {
  if (!isRecord(metric)) return {};
  return Object.fromEntries(Object.entries(metric).map(([key, value]) => [key, String(value)]));
}
