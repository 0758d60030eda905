import { CLIENTS, type ControllerConfig, type ProviderConfig, providerNames } from '../config/controller-config';
import { readToken } from '../config/token';
import type { RolloutDocument, ValueCheck } from '../document';
import type { MeasuredValue, Measurement, MeasureRequest, MetricsProvider } from './metrics-provider';
import { readFigures, readValue } from './providers/foreign-answer';
import { MeasureError, messageOf } from './providers/measure-error';
import { postWebhook } from './providers/post-webhook';
import { measureFigures } from './providers/prometheus';
import { createPrometheusApi } from './providers/prometheus-api';
import { fillIn } from './providers/promql';
import { runCommand } from './providers/run-command';

export interface MetricsProviderDeps {
  /** What the names in a document stand for. */
  readonly config: ControllerConfig;
  /** Where tokens that the configuration names by `tokenEnv` are looked up, at each request. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For built-in checks of a document without a provider: what the clients report. */
  readonly fallback?: MetricsProvider;
}

/**
 * The providers that a document names: figures of calls from one place, value checks each from its own, side by side. A value that
 * cannot be had is an error of that check alone; figures that cannot be had reject. A document comes from Consul and so from
 * anybody who may write there: it chooses among what the configuration has, and nothing of it becomes an address, a file, a
 * variable or a program.
 */
export function createMetricsProvider(document: RolloutDocument, deps: MetricsProviderDeps): MetricsProvider {
  const provider = document.analysis?.provider ?? CLIENTS;
  const isOwn = provider === CLIENTS;
  return {
    name: isOwn ? (deps.fallback?.name ?? 'none') : nameOf(provider),
    async measure(request) {
      const { signal, checks = [], ...shown } = request;
      const [measured, ...values] = await Promise.all([
        isOwn ? (deps.fallback?.measure(request) ?? {}) : figuresFrom(provider, document, request, shown, deps),
        ...checks.map((check) => valueFrom(check, request, shown, deps)),
      ]);
      if (checks.length === 0) return measured;
      return {
        ...measured,
        values: Object.fromEntries(checks.map(({ name }, index) => [name, values[index] ?? MISSING])),
      };
    },
    async close() {
      await deps.fallback?.close?.();
    },
  };
}

const MISSING: MeasuredValue = { error: 'not measured' };

/** What webhooks and programs are told. */
type Shown = Omit<MeasureRequest, 'signal' | 'checks'>;

async function figuresFrom(
  name: string,
  document: RolloutDocument,
  request: MeasureRequest,
  shown: Shown,
  deps: MetricsProviderDeps,
): Promise<Measurement> {
  try {
    const provider = find(name, deps);
    const { prometheus } = provider;
    if (prometheus === undefined) return readFigures(await answerFrom(provider, shown, request.signal, deps));
    const api = createPrometheusApi(prometheus, await readToken(prometheus, deps.environment));
    const failureStatusCodes = document.analysis?.failureStatusCodes;
    return await measureFigures(api, { labels: prometheus.labels, failureStatusCodes }, request);
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
    const api = createPrometheusApi(prometheus, await readToken(prometheus, deps.environment));
    const samples = await api.query(fillIn(query ?? '', request), request.nowMs, request.signal);
    const [first] = samples;
    if (first === undefined || samples.length > 1) {
      throw new MeasureError(`${samples.length} samples (expected: one)`);
    }
    return { result: first.value };
  } catch (error) {
    return { error: named(providerName, error).message };
  }
}

/** What is wrong with the query of a `value` check, given its provider: Prometheus alone is asked by one. */
export function queryFault({ prometheus }: ProviderConfig, query: string | undefined): string | undefined {
  if (prometheus !== undefined && query === undefined) return 'query: missing (expected: one in PromQL)';
  if (prometheus === undefined && query !== undefined)
    return 'query: given (expected: only with a Prometheus provider)';
  return undefined;
}

function find(name: string, { config }: MetricsProviderDeps): ProviderConfig {
  const provider = config.providers.get(name);
  if (provider === undefined) {
    throw new MeasureError(`not known to this controller (expected: one of ${providerNames(config)})`);
  }
  return provider;
}

async function answerFrom(
  { webhook, command }: ProviderConfig,
  input: Shown & { readonly check?: string },
  signal: AbortSignal | undefined,
  { environment }: MetricsProviderDeps,
): Promise<unknown> {
  if (webhook !== undefined) return postWebhook(webhook, await readToken(webhook, environment), input, signal);
  if (command === undefined) throw new MeasureError('none of prometheus, webhook and command');
  return runCommand(command, input, signal);
}

/** By its name alone: an address may hold a secret, and what is told goes to Consul. */
function named(name: string, error: unknown): MeasureError {
  return new MeasureError(`${nameOf(name)}: ${messageOf(error)}`);
}

function nameOf(provider: string): string {
  return `provider ${provider}`;
}
