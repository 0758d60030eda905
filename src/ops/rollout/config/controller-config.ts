import type { CheckDocument, RolloutDocument } from '../document';

/**
 * The providers and hooks of a controller, as written by its operator in a file of the same machine, never in Consul.
 * Rollout documents only name them. Checked by `parseControllerConfig()`.
 */
export interface ControllerConfigDocument {
  /** Address of the JSON Schema, for editors. Not read. */
  readonly $schema?: string;
  /** Version of this format. Always 1. */
  readonly schema: 1;
  /** Where figures come from, by the name that rollouts give. `clients` is there without being named. */
  readonly providers?: Readonly<Record<string, ProviderConfig>>;
  /** Hooks for pauses, rollbacks and ends, by the name that rollouts use. */
  readonly hooks?: Readonly<Record<string, HookConfig>>;
}

/** Exactly one. */
export interface ProviderConfig {
  readonly prometheus?: PrometheusConfig;
  readonly webhook?: WebhookConfig;
  readonly command?: CommandConfig;
}

/** Exactly one. */
interface HookConfig {
  readonly webhook?: WebhookConfig;
  readonly command?: CommandConfig;
}

/** What goes along with each request to an address. */
export interface RequestConfig {
  /** Environment variable of the controller that holds a bearer token. Not beside `tokenFile`. */
  readonly tokenEnv?: string;
  /** File that holds a bearer token; read for each request, so it may be rotated. */
  readonly tokenFile?: string;
  /** Further headers. No secrets: those are the token's. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds, default 10,000. */
  readonly timeoutMs?: number;
}

export interface PrometheusConfig extends RequestConfig {
  /** `http://127.0.0.1:9090`, also below a path. Without user and password. */
  readonly address: string;
  /** Label matchers that narrow the queries of built-in checks: `{ job: orders }`. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Gets the request as JSON by POST, answers a measurement (built-in checks) or `{ "result": 0.01 }` (value). */
export interface WebhookConfig extends RequestConfig {
  /** http or https, without user and password. */
  readonly url: string;
}

/** Gets the request as JSON on its standard input, prints what a webhook would answer. No shell. */
export interface CommandConfig {
  /** Program and arguments. */
  readonly run: readonly string[];
  /** Milliseconds, default 10,000. */
  readonly timeoutMs?: number;
}

/** The providers and hooks of one controller. Maps, so that no name from Consul finds what is inherited. */
export interface ControllerConfig {
  readonly providers: ReadonlyMap<string, ProviderConfig>;
  readonly hooks: ReadonlyMap<string, HookConfig>;
}

/**
 * The provider that every controller has: what the clients of a service report. Also what a document without one means.
 */
export const CLIENTS = 'clients';

/** The configuration without a file: reports of clients are the only provider, and there are no hooks. */
export const NO_CONFIG: ControllerConfig = { providers: new Map(), hooks: new Map() };

/** `clients, metrics`: what a document may name. */
export function providerNames({ providers }: ControllerConfig): string {
  return [CLIENTS, ...providers.keys()].join(', ');
}

/** What a document may name under `notify`. */
export function hookNames({ hooks }: ControllerConfig): string {
  return hooks.size === 0 ? 'there are none' : [...hooks.keys()].join(', ');
}

/** The problem with the query of a `value` check: only Prometheus takes one, and needs it. */
export function queryFault({ prometheus }: ProviderConfig, query: string | undefined): string | undefined {
  if (prometheus !== undefined && query === undefined) return 'query: missing (expected: one in PromQL)';
  if (prometheus === undefined && query !== undefined)
    return 'query: given (expected: only with a Prometheus provider)';
  return undefined;
}

/**
 * Finds the names in a valid document that this configuration does not have, and queries for providers that take none.
 * Each problem is a line such as `analysis.provider: metrics (expected: one of clients, prometheus)`.
 */
export function checkNames(document: RolloutDocument, config: ControllerConfig): readonly string[] {
  const { analysis, steps, notify = [] } = document;
  const expected = `one of ${providerNames(config)}; the configuration of the controller has no other`;
  const provider = analysis?.provider;
  const isKnown = provider === undefined || provider === CLIENTS || config.providers.has(provider);
  const of = (checks: readonly CheckDocument[] | undefined, path: string): readonly string[] =>
    (checks ?? []).flatMap((check, at) => {
      if (check.check !== 'value') return [];
      const found = config.providers.get(check.provider);
      const where = `${path}.checks[${at}]`;
      if (found === undefined) return [`${where}.provider: ${check.provider} (expected: ${expected})`];
      const fault = queryFault(found, check.query);
      return fault === undefined ? [] : [`${where}.${fault}`];
    });
  return [
    ...(isKnown ? [] : [`analysis.provider: ${provider} (expected: ${expected})`]),
    ...of(analysis?.checks, 'analysis'),
    ...steps.flatMap((step, at) => ('analysis' in step ? of(step.analysis.checks, `steps[${at}].analysis`) : [])),
    ...notify.flatMap((name, at) =>
      config.hooks.has(name)
        ? []
        : [`notify[${at}]: ${name} (expected: a hook of the controller; ${hookNames(config)})`],
    ),
  ];
}
