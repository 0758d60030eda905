import type { CheckDocument, RolloutDocument } from '../document';
import type { ChatConfigs } from './chat-config';

/** Exactly one. */
export interface ProviderConfig {
  readonly prometheus?: PrometheusConfig;
  readonly webhook?: WebhookConfig;
  readonly command?: CommandConfig;
}

/** Exactly one. */
type HookConfig = Omit<ProviderConfig, 'prometheus'> & ChatConfigs;

/** Exactly one. */
export type GateConfig = Omit<ProviderConfig, 'prometheus'>;

/** Exactly one. */
interface DeploymentConfig {
  readonly nomad?: NomadConfig;
}

/** A Nomad whose deployment brings the canary. */
export interface NomadConfig extends RequestConfig {
  /** `http://127.0.0.1:4646`. Without user and password. Its token needs `read-job` and `submit-job`. */
  readonly address: string;
  /** Default: the one that is called as the service of the rollout. */
  readonly job?: string;
  /** Default: Nomad's own, `default`. */
  readonly namespace?: string;
  /** Default: that of the agent that is asked. */
  readonly region?: string;
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

/**
 * The providers and hooks of one controller, as written by its operator in a file of the same machine, never in Consul.
 * Rollout documents only name them. Maps, so that no name from Consul finds what is inherited.
 */
export interface ControllerConfig {
  /** Where figures come from, by the name that rollouts give. `clients` is there without being named. */
  readonly providers: ReadonlyMap<string, ProviderConfig>;
  /** For pauses, rollbacks and ends, by the name that rollouts use. */
  readonly hooks: ReadonlyMap<string, HookConfig>;
  /** What is asked before a rollout goes on, by the name that rollouts use. */
  readonly gates: ReadonlyMap<string, GateConfig>;
  /** What brings canaries, and is promoted or failed with them, by the name that rollouts use. */
  readonly deployments: ReadonlyMap<string, DeploymentConfig>;
}

/**
 * The provider that every controller has: what the clients of a service report. Also what a document without one means.
 */
export const CLIENTS = 'clients';

/** The configuration without a file: reports of clients are the only provider, and there is nothing else. */
export const NO_CONFIG: ControllerConfig = {
  providers: new Map(),
  hooks: new Map(),
  gates: new Map(),
  deployments: new Map(),
};

/** `clients, metrics`: what a document may name. */
export function providerNames({ providers }: ControllerConfig): string {
  return [CLIENTS, ...providers.keys()].join(', ');
}

/** What a document may name under `notify`. */
export function hookNames({ hooks }: ControllerConfig): string {
  return hooks.size === 0 ? 'there are none' : [...hooks.keys()].join(', ');
}

/** What a document may name as a gate. */
export function gateNames({ gates }: ControllerConfig): string {
  return gates.size === 0 ? 'there are none' : [...gates.keys()].join(', ');
}

/** What a document may name as its deployment. */
export function deploymentNames({ deployments }: ControllerConfig): string {
  return deployments.size === 0 ? 'there are none' : [...deployments.keys()].join(', ');
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
  const { analysis, steps, notify = [], gates = [], deployment } = document;
  const expected = `one of ${providerNames(config)}; the configuration of the controller has no other`;
  const checked: readonly (readonly [path: string, checks: readonly CheckDocument[] | undefined])[] = [
    ['analysis', analysis?.checks],
    ...steps.map((step, at) => [`steps[${at}].analysis`, 'analysis' in step ? step.analysis.checks : []] as const),
  ];
  const found: string[] = [];
  const provider = analysis?.provider ?? CLIENTS;
  if (provider !== CLIENTS && !config.providers.has(provider)) {
    found.push(`analysis.provider: ${provider} (expected: ${expected})`);
  }
  for (const [path, checks = []] of checked) {
    for (const [at, check] of checks.entries()) {
      if (check.check !== 'value') continue;
      const known = config.providers.get(check.provider);
      const fault =
        known === undefined ? `provider: ${check.provider} (expected: ${expected})` : queryFault(known, check.query);
      if (fault !== undefined) found.push(`${path}.checks[${at}].${fault}`);
    }
  }
  for (const [at, name] of notify.entries()) {
    if (config.hooks.has(name)) continue;
    found.push(`notify[${at}]: ${name} (expected: a hook of the controller; ${hookNames(config)})`);
  }
  if (deployment !== undefined && !config.deployments.has(deployment)) {
    const expected = `a deployment of the controller; ${deploymentNames(config)}`;
    found.push(`deployment: ${deployment} (expected: ${expected})`);
  }
  const asked = [
    ...gates.map(({ gate }, at) => [`gates[${at}].gate`, gate] as const),
    ...steps.flatMap((step, at) => ('gate' in step ? [[`steps[${at}].gate`, step.gate] as const] : [])),
  ];
  for (const [path, name] of asked) {
    if (config.gates.has(name)) continue;
    found.push(`${path}: ${name} (expected: a gate of the controller; ${gateNames(config)})`);
  }
  return found;
}
