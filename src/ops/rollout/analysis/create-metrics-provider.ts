import { isRecord } from '../../../base/is-record';
import { ownValue } from '../../../policy/plain-data';
import { showValue } from '../../../policy/problems';
import { type PrometheusServer, queryPrometheus } from '../../prometheus';
import {
  CLIENTS,
  type ControllerConfig,
  type PrometheusConfig,
  type ProviderConfig,
  providerNames,
  queryFault,
} from '../config/controller-config';
import type { RolloutDocument, ValueCheck } from '../document';
import type {
  DurationHistogram,
  FailedMeasurement,
  MeasuredValue,
  Measurement,
  MeasureRequest,
  MetricsProvider,
  SubsetMetrics,
} from './metrics-provider';
import { fillIn, measureSubsets } from './prometheus';
import { MeasureError, messageOf, postToWebhook, readToken, runCommand } from './requests';

export interface MetricsProviderDeps {
  /** What the names in a document stand for. */
  readonly config: ControllerConfig;
  /** Where tokens that the configuration names by `tokenEnv` are looked up, at each request. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For built-in checks of a document without a provider: what the clients report. */
  readonly fallback?: MetricsProvider;
}

/**
 * Measures by the providers that a document names: the metrics of calls come from one place, each value check from its
 * own, side by side. A value that cannot be had is an error of that check alone. Rejects when there are no metrics of
 * calls.
 *
 * A document comes from Consul, and so from anybody who may write there. It chooses among the providers of the
 * configuration, and nothing of it becomes an address, a file, a variable or a program.
 */
export function createMetricsProvider(document: RolloutDocument, deps: MetricsProviderDeps): MetricsProvider {
  const provider = document.analysis?.provider ?? CLIENTS;
  return {
    async measure(request) {
      const { signal, checks = [], ...shown } = request;
      const [measured, ...values] = await Promise.all([
        provider === CLIENTS
          ? (deps.fallback?.measure(request) ?? {})
          : subsetsFrom(provider, document, request, shown, deps),
        ...checks.map((check) => valueFrom(check, request, shown, deps)),
      ]);
      if (checks.length === 0) return measured;
      return {
        ...measured,
        values: Object.fromEntries(checks.map(({ name }, index) => [name, values[index] ?? MISSING])),
      };
    },
  };
}

const MISSING: MeasuredValue = { error: 'not measured' };

/** The part of a request that webhooks and programs get. */
type Shown = Omit<MeasureRequest, 'signal' | 'checks'>;

async function subsetsFrom(
  name: string,
  document: RolloutDocument,
  request: MeasureRequest,
  shown: Shown,
  deps: MetricsProviderDeps,
): Promise<Measurement> {
  try {
    const provider = find(name, deps);
    const { prometheus } = provider;
    if (prometheus === undefined) return readSubsets(await answerFrom(provider, shown, request.signal, deps));
    const server = await serverOf(prometheus, request, deps);
    const failureStatusCodes = document.analysis?.failureStatusCodes;
    return await measureSubsets(server, { labels: prometheus.labels, failureStatusCodes }, request);
  } catch (error) {
    throw named(name, error);
  }
}

async function valueFrom(
  { name, provider: providerName, query }: ValueCheck,
  request: MeasureRequest,
  shown: Shown,
  deps: MetricsProviderDeps,
): Promise<MeasuredValue> {
  try {
    const provider = find(providerName, deps);
    const { prometheus } = provider;
    const fault = queryFault(provider, query);
    if (fault !== undefined) throw new MeasureError(fault);
    if (prometheus === undefined) {
      return readValue(await answerFrom(provider, { ...shown, check: name }, request.signal, deps));
    }
    const server = await serverOf(prometheus, request, deps);
    const samples = await queryPrometheus(server, fillIn(query ?? '', request), request.nowMs);
    const [first] = samples;
    if (first === undefined || samples.length > 1) {
      throw new MeasureError(`${samples.length} samples (expected: one)`);
    }
    return { result: first.value };
  } catch (error) {
    return { error: named(providerName, error).message };
  }
}

function find(name: string, { config }: MetricsProviderDeps): ProviderConfig {
  const provider = config.providers.get(name);
  if (provider === undefined) {
    throw new MeasureError(`not known to this controller (expected: one of ${providerNames(config)})`);
  }
  return provider;
}

async function serverOf(
  prometheus: PrometheusConfig,
  { signal }: MeasureRequest,
  { environment }: MetricsProviderDeps,
): Promise<PrometheusServer> {
  const { address: url, headers, timeoutMs = 10_000 } = prometheus;
  return { url, headers, timeoutMs, method: 'POST', token: await readToken(prometheus, environment), signal };
}

async function answerFrom(
  { webhook, command }: ProviderConfig,
  input: Shown & { readonly check?: string },
  signal: AbortSignal | undefined,
  { environment }: MetricsProviderDeps,
): Promise<unknown> {
  if (webhook !== undefined) {
    const { status, body } = await postToWebhook(webhook, environment, { body: JSON.stringify(input), signal });
    if (status < 200 || status > 299) throw new MeasureError(`${status} (expected: 2xx)`);
    if (body === undefined) throw new MeasureError(`${status} with a body that is not JSON (expected: JSON)`);
    return body;
  }
  if (command === undefined) throw new MeasureError('none of prometheus, webhook and command');
  return runCommand(command, input, signal);
}

/** Names the provider without its address, which may hold a secret: the message goes to Consul. */
function named(name: string, error: unknown): MeasureError {
  return new MeasureError(`provider ${name}: ${messageOf(error)}`);
}

/** Measures by the providers of a document. A failure is a measurement with an error. Never rejects. */
export async function measureRollout(
  document: RolloutDocument,
  wanted: MeasureRequest,
  deps: MetricsProviderDeps,
): Promise<Measurement | FailedMeasurement> {
  const provider = createMetricsProvider(document, deps);
  try {
    return await provider.measure(wanted);
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/** A webhook's or a command's figures of calls. Throws a {@link MeasureError} with the path of what does not fit. */
function readSubsets(answer: unknown): Measurement {
  return { canary: readSubset(answer, 'canary'), stable: readSubset(answer, 'stable') };
}

/** A webhook's or a command's answer to a value check: finite numbers under the names that conditions know. */
function readValue(answer: unknown): MeasuredValue {
  const value: { result?: number; canary?: number; stable?: number } = {};
  for (const name of ['result', 'canary', 'stable'] as const) {
    const given = ownValue(answer, name);
    if (given === undefined) continue;
    if (typeof given !== 'number') refuse(name, given, 'a number');
    else value[name] = given;
  }
  if (Object.keys(value).length === 0) refuse('result', undefined, 'a number');
  return value;
}

function readSubset(answer: unknown, name: 'canary' | 'stable'): SubsetMetrics {
  const figures = ownValue(answer, name);
  if (!isRecord(figures)) return refuse(name, figures, 'an object with calls and failures');
  const calls = readCount(figures['calls'], `${name}.calls`);
  const failures = readCount(figures['failures'], `${name}.failures`);
  if (failures > calls) refuse(`${name}.failures`, failures, `at most ${name}.calls`);
  const durations = figures['durations'];
  const open = figures['openBreakers'];
  const fallbacks = figures['fallbacks'];
  return {
    calls,
    failures,
    ...(durations === undefined ? {} : { durations: readHistogram(durations, `${name}.durations`) }),
    ...(open === undefined ? {} : { openBreakers: readCount(open, `${name}.openBreakers`) }),
    ...(fallbacks === undefined ? {} : { fallbacks: readCount(fallbacks, `${name}.fallbacks`) }),
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
  const boundsMs = bounds.map((bound: unknown, index) => {
    const previous: unknown = index === 0 ? 0 : bounds[index - 1];
    const isRising = typeof bound === 'number' && typeof previous === 'number' && bound > previous;
    if (!isRising || !Number.isFinite(bound))
      return refuse(`${path}.boundsMs[${index}]`, bound, 'finite, > 0 and rising');
    return bound;
  });
  return { boundsMs, counts: counts.map((count: unknown, index) => readCount(count, `${path}.counts[${index}]`)) };
}

function readCount(value: unknown, path: string): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    ? value
    : refuse(path, value, 'a whole number >= 0');
}

function refuse(path: string, value: unknown, expected: string): never {
  throw new MeasureError(`${path}: ${showValue(value)} (expected: ${expected})`);
}
