import { defined } from '../../../base/defined';
import { DEFAULT_BREAKER } from '../../../policy/defaults';
import { type PrometheusServer, queryPrometheus, type Sample } from '../../prometheus';
import type { PrometheusConfig } from '../config/controller-config';
import type { DurationHistogram, Measurement, MeasureRequest, SubsetMetrics } from './subset-metrics';

/** The stable name of semantic conventions 1.45, then the one before, which clients of 0.1 report. */
const STATUS = ['rpc_status_code', 'rpc_response_status_code'] as const;

/** Labels that Prometheus sums up, so that fewer series are fetched. A restart of a client resets all of its series. */
const SUMMED = 'rpc_method, server_address, server_port, graylane_route, error_type';

/**
 * Measures built-in checks by the SDK's own metrics (docs/observability.md). Counts attempts, not calls, so that a
 * retry does not hide the canary's failure. `labels` narrow every query. `failureStatusCodes`: default those of the
 * breaker. Rejects with an `HttpError`.
 */
export async function measureSubsets(
  server: PrometheusServer,
  request: MeasureRequest,
  labels: PrometheusConfig['labels'],
  failureStatusCodes: Iterable<string> = DEFAULT_BREAKER.failureStatusCodes,
): Promise<Measurement> {
  const { canary, stable, sinceMs, nowMs } = request;
  // A target with a query is a service of its own in the metrics.
  const named = `=~"${regexOf(request.service)}([?].*)?"`;
  const service = `graylane_service${named}`;
  const narrowed = Object.entries(labels ?? {}).map(([name, value]) => `,${name}="${textOf(value)}"`);
  const subsets = `"${regexOf(canary)}|${regexOf(stable)}"${narrowed.join('')}`;
  const attempts = `sum without (${SUMMED}, graylane_datacenter) ({__name__=~"graylane_attempts(_total)?",${service},graylane_subset=~${subsets}})`;
  // Some exporters write the unit into the name, some leave `_total` out.
  const durations = `sum without (${SUMMED}, graylane_subset, ${STATUS.join(', ')}) ({__name__=~"rpc_client_call_duration(_seconds)?_bucket",server_address${named},graylane_served_by=~${subsets}})`;
  const fallbacks = `sum without (graylane_served_by) ({__name__=~"graylane_fallbacks(_total)?",${service},graylane_subset=~${subsets}})`;
  const breakers = `sum by (graylane_subset) (graylane_breaker_state{${service},graylane_level="subset",graylane_state=~"open|halfOpen",graylane_subset=~${subsets}})`;
  const [ended, took, shed, open] = await Promise.all([
    grown(server, attempts, sinceMs, nowMs),
    grown(server, durations, sinceMs, nowMs),
    grown(server, fallbacks, sinceMs, nowMs),
    queryPrometheus(server, breakers, nowMs),
  ]);
  const failureCodes = new Set(failureStatusCodes);
  const figuresOf = (subset: string): SubsetMetrics => {
    const own = ended.filter(({ labels }) => labels['graylane_subset'] === subset);
    const failed = own.filter(({ labels }) => failureCodes.has(labels[STATUS[0]] ?? labels[STATUS[1]] ?? ''));
    const histogram = histogramOf(took.filter(({ labels }) => labels['graylane_served_by'] === subset));
    return {
      calls: sum(own),
      failures: sum(failed),
      ...defined({ durations: histogram }),
      openBreakers: sum(open.filter(({ labels }) => labels['graylane_subset'] === subset)),
      fallbacks: sum(shed.filter(({ labels }) => labels['graylane_subset'] === subset)),
    };
  };
  return { canary: figuresOf(canary), stable: figuresOf(stable) };
}

/**
 * How far each counter grew between two readings. Exact, unlike `increase()`, which extrapolates and never sees what a
 * series had counted when it was first scraped: the first failures of a canary are such a series. A counter that was
 * not there counts from 0; one that went back was restarted and counts from 0 too; one that is gone has nothing to say.
 */
async function grown(
  server: PrometheusServer,
  expression: string,
  sinceMs: number,
  nowMs: number,
): Promise<readonly Sample[]> {
  const [before, after] = await Promise.all([
    queryPrometheus(server, expression, sinceMs),
    queryPrometheus(server, expression, nowMs),
  ]);
  const known = new Map(before.map(({ labels, value }) => [keyOf(labels), value]));
  return after.map((sample) => {
    const start = known.get(keyOf(sample.labels)) ?? 0;
    return sample.value >= start ? { ...sample, value: sample.value - start } : sample;
  });
}

function sum(samples: readonly Sample[]): number {
  return Math.round(samples.reduce((total, { value }) => total + value, 0));
}

/** From Prometheus' cumulative buckets in seconds; undefined where there are none. */
function histogramOf(samples: readonly Sample[]): DurationHistogram | undefined {
  const cumulative = new Map<number, number>();
  for (const { labels, value } of samples) {
    const bound = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']) * 1_000;
    if (!Number.isNaN(bound)) cumulative.set(bound, (cumulative.get(bound) ?? 0) + value);
  }
  const bounds = [...cumulative.keys()].sort((a, b) => a - b);
  if (bounds.at(-1) !== Number.POSITIVE_INFINITY || bounds.length < 2) return undefined;
  let before = 0;
  const counts = bounds.map((bound) => {
    const upTo = Math.max(before, cumulative.get(bound) ?? 0);
    const own = upTo - before;
    before = upTo;
    return Math.round(own);
  });
  return { boundsMs: bounds.slice(0, -1), counts };
}

function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Inside a text of PromQL, between double quotes. */
function textOf(value: string): string {
  return value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
}

/** A pattern inside such a text that matches the value and nothing else. */
function regexOf(value: string): string {
  return textOf(value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}

const SUBSET = /\{\{\s*subset\s*\}\}/;

/** The figures of a query: one for each subset where it names `{{subset}}`, else one result. */
export function namesOfQuery(query: string): readonly ('result' | 'canary' | 'stable')[] {
  return SUBSET.test(query) ? ['canary', 'stable'] : ['result'];
}

/**
 * Fills in `{{service}}`, `{{canary}}`, `{{stable}}`, `{{window}}` and, for one of the two, `{{subset}}`; other braces
 * are the query's own.
 */
export function fillIn(
  query: string,
  { service, canary, stable, sinceMs, nowMs }: MeasureRequest,
  subset: string = canary,
): string {
  const window = `${Math.max(1, Math.ceil((nowMs - sinceMs) / 1_000))}s`;
  const values: Readonly<Record<string, string>> = { service, canary, stable, window, subset };
  return query.replace(/\{\{\s*(service|canary|stable|window|subset)\s*\}\}/g, (_, name: string) =>
    textOf(values[name] ?? ''),
  );
}
