import { defined } from '../../../base/defined';
import { ownValue } from '../../../policy/plain-data';
import { type PrometheusServer, queryPrometheus } from '../../prometheus';
import {
  CLIENTS,
  type PrometheusConfig,
  type ProviderConfig,
  providerNames,
  queryFault,
} from '../config/controller-config';
import type { RolloutDocument, ValueCheck } from '../document';
import { FiguresGapError } from './counters';
import { fillIn, measureSubsets, namesOfQuery } from './prometheus';
import { isSuccess, messageOf, postToWebhook, type Reach, readToken, runCommand } from './requests';
import {
  type DurationHistogram,
  type FailedMeasurement,
  type MeasureCalls,
  type MeasuredValue,
  MeasureError,
  type Measurement,
  type MeasureRequest,
  readCalls,
  readCount,
  refuse,
  type SubsetMetrics,
} from './subset-metrics';

export interface MetricsSources extends Reach {
  /** For built-in checks of a document without a provider: what the clients report. */
  readonly clients?: MeasureCalls;
}

/**
 * Measures by the providers that a document names: the metrics of calls come from one place, each value check from its
 * own, side by side. A value that cannot be had is an error of that check alone. Without metrics of calls, the
 * measurement as a whole is an error. Never rejects.
 *
 * A document comes from Consul, and so from anybody who may write there. It chooses among the providers of the
 * configuration, and nothing of it becomes an address, a file, a variable or a program.
 */
export async function measureRollout(
  document: RolloutDocument,
  request: MeasureRequest,
  sources: MetricsSources,
): Promise<Measurement | FailedMeasurement> {
  const { checks = [] } = request;
  try {
    const [calls, ...values] = await Promise.all([
      callsOf(document, request, sources),
      ...checks.map(async (check) => [check.name, await measuredValue(check, request, sources)] as const),
    ]);
    return checks.length === 0 ? calls : { ...calls, values: Object.fromEntries(values) };
  } catch (error) {
    const whole = error instanceof FiguresGapError ? { wholeFromMs: error.wholeFromMs } : {};
    return { error: messageOf(error), ...whole };
  }
}

async function callsOf(
  { analysis = {} }: RolloutDocument,
  request: MeasureRequest,
  sources: MetricsSources,
): Promise<Measurement> {
  const { provider: name = CLIENTS, failureStatusCodes } = analysis;
  if (name === CLIENTS) return sources.clients?.(request) ?? {};
  try {
    const provider = find(name, sources);
    const { prometheus } = provider;
    if (prometheus === undefined) {
      const answer = await answerFrom(provider, request, sources);
      return { canary: readSubset(answer, 'canary'), stable: readSubset(answer, 'stable') };
    }
    const server = await serverOf(prometheus, request, sources);
    return await measureSubsets(server, request, prometheus.labels, failureStatusCodes);
  } catch (error) {
    const message = named(name, error);
    throw error instanceof FiguresGapError
      ? new FiguresGapError(message, error.wholeFromMs)
      : new MeasureError(message);
  }
}

async function measuredValue(
  { name, provider: providerName, query }: ValueCheck,
  request: MeasureRequest,
  sources: MetricsSources,
): Promise<MeasuredValue> {
  try {
    const provider = find(providerName, sources);
    const { prometheus } = provider;
    const fault = queryFault(provider, query);
    if (fault !== undefined) throw new MeasureError(fault);
    if (prometheus === undefined) return readValue(await answerFrom(provider, request, sources, name));
    const server = await serverOf(prometheus, request, sources);
    const figures = namesOfQuery(query ?? '').map(async (figure) => {
      const text = fillIn(query ?? '', request, figure === 'result' ? undefined : request[figure]);
      const [first, ...more] = await queryPrometheus(server, text, request.nowMs);
      if (first !== undefined && more.length === 0) return [figure, first.value] as const;
      const of = figure === 'result' ? '' : `${request[figure]}: `;
      throw new MeasureError(`${of}${first === undefined ? 0 : more.length + 1} samples (expected: one)`);
    });
    return Object.fromEntries(await Promise.all(figures));
  } catch (error) {
    return { error: named(providerName, error) };
  }
}

/** Names the provider without its address, which may hold a secret: the message goes to Consul. */
function named(provider: string, error: unknown): string {
  return `provider ${provider}: ${messageOf(error)}`;
}

function find(name: string, { config }: MetricsSources): ProviderConfig {
  const provider = config.providers.get(name);
  if (provider !== undefined) return provider;
  throw new MeasureError(`not known to this controller (expected: one of ${providerNames(config)})`);
}

async function serverOf(
  prometheus: PrometheusConfig,
  { signal }: MeasureRequest,
  { env }: MetricsSources,
): Promise<PrometheusServer> {
  const { address: url, headers, timeoutMs = 10_000 } = prometheus;
  return { url, headers, timeoutMs, method: 'POST', token: await readToken(prometheus, env), signal };
}

/** What a webhook or a program answers, as JSON. `check`: the value that is asked for; undefined: figures of calls. */
async function answerFrom(
  { webhook, command }: ProviderConfig,
  { signal, checks: _, ...shown }: MeasureRequest,
  { env }: MetricsSources,
  check?: string,
): Promise<unknown> {
  const input = JSON.stringify({ ...shown, check });
  if (webhook !== undefined) {
    const { status, body } = await postToWebhook(webhook, env, { body: input, signal });
    if (!isSuccess(status)) throw new MeasureError(`${status} (expected: 2xx)`);
    if (body === undefined) throw new MeasureError(`${status} with a body that is not JSON (expected: JSON)`);
    return body;
  }
  if (command === undefined) throw new MeasureError('none of prometheus, webhook and command');
  return runCommand(command, input, signal);
}

/** An answer to a value check: finite numbers under the names that conditions know. */
function readValue(answer: unknown): MeasuredValue {
  const given = (['result', 'canary', 'stable'] as const)
    .map((name) => [name, ownValue(answer, name)] as const)
    .filter(([, value]) => value !== undefined);
  if (given.length === 0) refuse('result', undefined, 'a number');
  for (const [name, value] of given) if (typeof value !== 'number') refuse(name, value, 'a number');
  return Object.fromEntries(given);
}

function readSubset(answer: unknown, name: 'canary' | 'stable'): SubsetMetrics {
  const { calls, failures, figures } = readCalls(answer, name);
  const { durations } = figures;
  const count = (key: string): number | undefined =>
    figures[key] === undefined ? undefined : readCount(figures[key], `${name}.${key}`);
  return {
    calls,
    failures,
    ...defined({
      durations: durations === undefined ? undefined : readHistogram(durations, `${name}.durations`),
      openBreakers: count('openBreakers'),
      fallbacks: count('fallbacks'),
      compared: count('compared'),
      differing: count('differing'),
    }),
  };
}

function readHistogram(value: unknown, path: string): DurationHistogram {
  const bounds = ownValue(value, 'boundsMs');
  const counts = ownValue(value, 'counts');
  if (!Array.isArray(bounds) || bounds.length === 0)
    return refuse(`${path}.boundsMs`, bounds, 'a list of milliseconds');
  if (!Array.isArray(counts) || counts.length !== bounds.length + 1) {
    return refuse(`${path}.counts`, counts, 'a list with one more than boundsMs');
  }
  const boundsMs = bounds.map((bound: unknown, index): number =>
    Number.isFinite(bound) && Number(bound) > (index === 0 ? 0 : bounds[index - 1])
      ? Number(bound)
      : refuse(`${path}.boundsMs[${index}]`, bound, 'finite, > 0 and rising'),
  );
  return { boundsMs, counts: counts.map((count: unknown, index) => readCount(count, `${path}.counts[${index}]`)) };
}
