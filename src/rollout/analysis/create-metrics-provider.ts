import type { ProviderDocument, RolloutDocument, ValueCheck } from '../document';
import type { MeasuredValue, Measurement, MeasureRequest, MetricsProvider } from './metrics-provider';
import { readFigures, readValue } from './providers/foreign-answer';
import { MeasureError, messageOf } from './providers/measure-error';
import { postWebhook } from './providers/post-webhook';
import { measureFigures } from './providers/prometheus';
import { createPrometheusApi } from './providers/prometheus-api';
import { fillIn } from './providers/promql';
import { runCommand } from './providers/run-command';

export interface MetricsProviderDeps {
  /** Where tokens named by `tokenEnv` are looked up, at each request. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /**
   * May programs of the document be run here? A document that came back from Consul KV could be anybody's who may write there, so the
   * answer belongs to whoever starts this process. Default false.
   */
  readonly allowCommands?: boolean;
  /** For built-in checks of a document without a provider: the SDK's own figures. */
  readonly fallback?: MetricsProvider;
}

/**
 * The provider that a document asks for: figures of calls from one place, value checks each from its own, side by side. A value that
 * cannot be had is an error of that check alone; figures that cannot be had reject.
 */
export function createMetricsProvider(document: RolloutDocument, deps: MetricsProviderDeps): MetricsProvider {
  const figures = document.analysis?.provider;
  return {
    name: figures === undefined ? (deps.fallback?.name ?? 'none') : nameOf(figures),
    async measure(request) {
      const { signal, checks = [], ...shown } = request;
      const [measured, ...values] = await Promise.all([
        figures === undefined ? (deps.fallback?.measure(request) ?? {}) : figuresFrom(figures, request, shown, deps),
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
  provider: ProviderDocument,
  request: MeasureRequest,
  shown: Shown,
  deps: MetricsProviderDeps,
): Promise<Measurement> {
  const { prometheus } = provider;
  if (prometheus !== undefined) return measureFigures(prometheus, () => tokenOf(prometheus, deps), request);
  try {
    return readFigures(await answerFrom(provider, shown, request.signal, deps));
  } catch (error) {
    throw named(provider, error);
  }
}

async function valueFrom(
  { name, provider }: ValueCheck,
  request: MeasureRequest,
  shown: Shown,
  deps: MetricsProviderDeps,
): Promise<MeasuredValue> {
  try {
    const { prometheus } = provider;
    if (prometheus === undefined) {
      return readValue(await answerFrom(provider, { ...shown, check: name }, request.signal, deps));
    }
    const api = createPrometheusApi(prometheus, () => tokenOf(prometheus, deps));
    const samples = await api.query(fillIn(prometheus.query ?? '', request), request.nowMs, request.signal);
    const [first] = samples;
    if (first === undefined || samples.length > 1) {
      throw new MeasureError(`${api.name}: ${samples.length} samples (expected: one)`);
    }
    return { result: first.value };
  } catch (error) {
    return { error: named(provider, error).message };
  }
}

function answerFrom(
  { webhook, command }: ProviderDocument,
  input: Shown & { readonly check?: string },
  signal: AbortSignal | undefined,
  deps: MetricsProviderDeps,
): Promise<unknown> {
  if (webhook !== undefined) return postWebhook(webhook, tokenOf(webhook, deps), input, signal);
  if (command === undefined) throw new MeasureError('none of prometheus, webhook and command');
  if (deps.allowCommands !== true) throw new MeasureError('programs are not allowed here');
  return runCommand(command, input, signal);
}

function tokenOf({ tokenEnv }: { readonly tokenEnv?: string }, deps: MetricsProviderDeps): string | undefined {
  if (tokenEnv === undefined) return undefined;
  const token = deps.environment[tokenEnv]?.trim();
  if (token === undefined || token === '') throw new MeasureError(`${tokenEnv}: not set (expected: a token)`);
  return token;
}

function named(provider: ProviderDocument, error: unknown): MeasureError {
  const message = messageOf(error);
  const name = nameOf(provider);
  return error instanceof MeasureError && message.startsWith(name) ? error : new MeasureError(`${name}: ${message}`);
}

function nameOf({ prometheus, webhook, command }: ProviderDocument): string {
  if (prometheus !== undefined) return `prometheus ${prometheus.address.replace(/\/+$/, '')}`;
  if (webhook !== undefined) {
    const { origin, pathname } = new URL(webhook.url);
    return `webhook ${origin}${pathname}`;
  }
  return `command ${command?.run[0] ?? ''}`;
}
