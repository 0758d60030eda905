import { defined } from '../../../base/defined';
import { DEFAULT_BREAKER } from '../../../policy/defaults';
import {
  type PrometheusServer,
  queryPrometheus,
  queryPrometheusRange,
  quotedText,
  type Range,
  type Series,
} from '../../prometheus';
import type { PrometheusConfig } from '../config/controller-config';
import { freshOnly, type Growth, logTargets, type ReadCounter, readGrowth, refuseGaps } from './counters';
import type { DurationHistogram, Measurement, MeasureRequest, SubsetMetrics } from './subset-metrics';

/** The stable name of semantic conventions 1.45, then the one before, which clients of 0.1 report. */
const STATUS = ['rpc_status_code', 'rpc_response_status_code'] as const;

/** Labels that Prometheus sums up, so that fewer series are fetched. A restart of a client resets all of its series. */
const SUMMED = 'rpc_method, server_address, server_port, graylane_route, error_type';

/** Labels that a target does not have, and its series may have. */
const OF_SERIES = `${SUMMED}, graylane_datacenter, graylane_service, graylane_subset, graylane_served_by, ${STATUS.join(', ')}, otel_scope_name, otel_scope_version, otel_scope_schema_url`;

/** Steps at which a window is read. Finer ones see restarts sooner; each is a value of every series. */
const STEPS = 60;
/** Durations have a series for each bucket; where there are many targets they are read at fewer steps. */
const MOST_DURATION_STEPS = 20_000;

/**
 * Measures built-in checks by the SDK's own metrics (docs/observability.md). Counts attempts, not calls, so that a
 * retry does not hide the canary's failure. `labels` narrow every query. `failureStatusCodes`: default those of the
 * breaker. Rejects with an `HttpError`, or with a `FiguresGapError` where scrapes are missing.
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
  const narrowed = Object.entries(labels ?? {})
    .map(([name, value]) => `,${name}="${quotedText(value)}"`)
    .join('');
  const subsets = `"${regexOf(canary)}|${regexOf(stable)}"${narrowed}`;
  const attempts = `{__name__=~"graylane_attempts(_total)?",${service}${narrowed}}`;
  const begin = `{__name__=~"graylane_start_time(_seconds)?"${narrowed}}`;
  const counted: Counter = {
    selector: `{__name__=~"graylane_attempts(_total)?",${service},graylane_subset=~${subsets}}`,
    summed: `${SUMMED}, graylane_datacenter`,
  };
  // Some exporters write the unit into the name, some leave `_total` out.
  const durations: Counter = {
    selector: `{__name__=~"rpc_client_call_duration(_seconds)?_bucket",server_address${named},graylane_served_by=~${subsets}}`,
    summed: `${SUMMED}, graylane_subset, ${STATUS.join(', ')}`,
  };
  const fallbacks: Counter = {
    selector: `{__name__=~"graylane_fallbacks(_total)?",${service},graylane_subset=~${subsets}}`,
    summed: 'graylane_served_by',
  };
  const comparisons: Counter = {
    selector: `{__name__=~"graylane_mirror_compared(_total)?",${service},graylane_subset=~${subsets}}`,
    summed: 'graylane_route',
  };
  const breakers = `sum by (graylane_subset) (graylane_breaker_state{${service},graylane_level="subset",graylane_state=~"open|halfOpen",graylane_subset=~${subsets}})`;
  // Of targets that have this service.
  const own = `and ignoring (${OF_SERIES}) (max without (${OF_SERIES}) (${attempts} @ end()))`;
  const stepMs = Math.max(1, Math.ceil((nowMs - sinceMs) / STEPS));
  const fine: Range = { endMs: Math.floor(nowMs), stepMs, steps: STEPS };
  const [ended, shed, mirrored, scraped, present, begun, open] = await Promise.all([
    readCounter(server, counted, fine),
    readCounter(server, fallbacks, fine),
    readCounter(server, comparisons, fine),
    queryPrometheusRange(server, `max without (${OF_SERIES}) (timestamp(${attempts}))`, fine),
    queryPrometheusRange(server, `max without (${OF_SERIES}) (timestamp(${begin}) ${own})`, fine),
    queryPrometheusRange(server, `max without (${OF_SERIES}) (${begin} ${own})`, fine),
    queryPrometheus(server, breakers, nowMs),
  ]);
  const logs = logTargets([...scraped, ...present], begun);
  const steps = Array.from({ length: STEPS + 1 }, (_, step) => step);
  const attemptsRead = readGrowth(freshOnly(ended, logs), logs, steps, sinceMs);
  refuseGaps(attemptsRead);
  const fallbacksRead = readGrowth(freshOnly(shed, logs), logs, steps, sinceMs);
  const comparedRead = readGrowth(freshOnly(mirrored, logs), logs, steps, sinceMs);
  const every = stride(logs.size);
  const coarse: Range = { endMs: fine.endMs, stepMs: stepMs * every, steps: STEPS / every };
  // Numbered as the log is.
  const numbered = (series: readonly Series[]): readonly Series[] =>
    series.map(({ labels: of, values }) => ({
      labels: of,
      values: new Map([...values].map(([step, value]) => [step * every, value])),
    }));
  const { values, timestamps } = await readCounter(server, durations, coarse);
  const took = freshOnly({ values: numbered(values), timestamps: numbered(timestamps) }, logs);
  const read = steps.filter((step) => step % every === 0);
  const tookRead = readGrowth(took, logs, read, sinceMs);
  const failureCodes = new Set(failureStatusCodes);
  const figuresOf = (subset: string): SubsetMetrics => {
    const ofSubset = ({ labels: of }: Growth): boolean => of['graylane_subset'] === subset;
    const calls = attemptsRead.growths.filter(ofSubset);
    const failed = calls.filter(({ labels: of }) => failureCodes.has(of[STATUS[0]] ?? of[STATUS[1]] ?? ''));
    const compared = comparedRead.growths.filter(ofSubset);
    const differing = compared.filter(({ labels: of }) => of['graylane_mirror_result'] === 'differing');
    const histogram = histogramOf(tookRead.growths.filter(({ labels: of }) => of['graylane_served_by'] === subset));
    return {
      calls: sum(calls),
      failures: sum(failed),
      ...defined({ durations: histogram }),
      openBreakers: sum(open.filter(({ labels: of }) => of['graylane_subset'] === subset)),
      fallbacks: sum(fallbacksRead.growths.filter(ofSubset)),
      ...(compared.length === 0 ? {} : { compared: sum(compared), differing: sum(differing) }),
    };
  };
  return { canary: figuresOf(canary), stable: figuresOf(stable) };
}

interface Counter {
  readonly selector: string;
  /** Labels that Prometheus sums up. */
  readonly summed: string;
}

async function readCounter(
  server: PrometheusServer,
  { selector, summed }: Counter,
  range: Range,
): Promise<ReadCounter> {
  const [values, timestamps] = await Promise.all([
    queryPrometheusRange(server, `sum without (${summed}) (${selector})`, range),
    queryPrometheusRange(server, `min without (le, ${summed}) (timestamp(${selector}))`, range),
  ]);
  return { values, timestamps };
}

/** A divisor of {@link STEPS}: every so many-th step is read of durations. */
function stride(targets: number): number {
  const strides = [1, 2, 3, 4, 5, 6, 10] as const;
  return strides.find((each) => (STEPS / each) * targets <= MOST_DURATION_STEPS) ?? 10;
}

function sum(samples: readonly { readonly value: number }[]): number {
  return Math.round(samples.reduce((total, { value }) => total + value, 0));
}

/** From Prometheus' cumulative buckets in seconds; undefined where there are none. */
function histogramOf(samples: readonly Growth[]): DurationHistogram | undefined {
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

/** A pattern inside such a text that matches the value and nothing else. */
function regexOf(value: string): string {
  return quotedText(value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
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
    quotedText(values[name] ?? ''),
  );
}
