import { join } from 'node:path';
import type { Clock } from '../base/clock';
import { defined } from '../base/defined';
import { GraylaneError } from '../base/errors';
import { isRecord } from '../base/is-record';
import type { Logger, PinoLogger } from '../base/logger';
import { META_KEY, SERVICE_NAME } from '../base/names';
import { OptionReader } from '../base/option-reader';
import type { Random } from '../base/random';
import { shorten, showValue } from '../base/shorten';
import { readTrustedKeys, type TrustedKeys } from '../base/signing-keys';
import type { ConsulOptions } from '../consul/options';
import type { PolicyDocument } from '../policy/document';
import type { EnvironmentOverride } from '../policy/override';
import { LIST_NAME } from '../policy/value-list';
import { type Protection, type ProtectionOptions, parseProtection } from './discovery/protection';
import type { StaticInstance } from './discovery/static-instance';
import { checkLabels } from './grpc/check-arguments';
import type { GrpcModule } from './grpc/grpc-js';
import { POLICY_MODES, type PolicyMode } from './grpc/target';
import type { ClientMode } from './state/policy-state';
import type { TelemetryOptions } from './telemetry/client-telemetry';

/** Options of `createGraylane()`. All are optional; an empty object uses Consul as the environment names it. */
export interface GraylaneOptions {
  /** For messages and `inspect()`. Default `client-1`, `client-2`, ... */
  readonly name?: string;
  /**
   * The service that this process is, as callers of others: what `match.from` of their policies is held against. 1..255
   * letters, digits, `-`, `_` and `.`. Default: `GRAYLANE_SERVICE`, else `OTEL_SERVICE_NAME`, else none, which matches
   * no `from`.
   */
  readonly serviceName?: string;
  /** How to reach Consul. Defaults from `CONSUL_HTTP_ADDR`, `CONSUL_HTTP_TOKEN` and their kin. */
  readonly consul?: ConsulOptions;
  /** First is local. Default: only the agent's own. `all`: every datacenter that the agent knows. */
  readonly datacenters?: readonly string[] | 'all';
  /**
   * The zone of the local datacenter that this process runs in, as instances name theirs: for policies with `locality:
   * { zones: prefer }`. Default: `GRAYLANE_ZONE`, else the node meta of the Consul agent (needs `agent:read`).
   */
  readonly zone?: string;
  /**
   * Instances without Consul: a list for each service, or a JSON or YAML file that is watched. `target()` then gives
   * `static:` targets unless `consul` is set too.
   */
  readonly instances?: Readonly<Record<string, readonly StaticInstance[]>> | FileReference;
  /** Policies by service: a document, or a JSON or YAML file that is watched. They win over Consul's. */
  readonly policies?: Readonly<Record<string, PolicyDocument | FileReference>>;
  /**
   * Lists of values by name, for matchers that name them: the values, or a text file with a value a line, which is
   * watched. They win over Consul's.
   */
  readonly lists?: Readonly<Record<string, readonly string[] | FileReference>>;
  /** Where policies come from when the target does not say. Default `auto`: the ones given here, else Consul KV. */
  readonly policy?: PolicyMode;
  /** Datacenter whose KV holds the policies. Default: the agent's own. */
  readonly policyDatacenter?: string;
  /**
   * Public keys (Ed25519, PEM) that policies in Consul must be signed with, by `graylane policy apply --key`. A
   * document that none of them signed is refused, as an invalid one is; so are one that was signed before the one in
   * force, and config entries, which cannot be signed. Several keys: for the time in which one replaces another.
   * Policies given in code or in a file need no signature. Default: none, no signature is looked at.
   */
  readonly policyKeys?: readonly string[];
  /** Refuse the calls of a service that has no policy. Default false: spread them over all instances. */
  readonly requirePolicy?: boolean;
  /** What is made of a Consul that suddenly lists far fewer instances. `false`: it is believed as it comes. */
  readonly protection?: ProtectionOptions | false;
  /**
   * `observe`: policies decide and their decisions are told, recorded and explained, but calls are balanced over all
   * instances as if there were no policy: the safe first day. A `force` is obeyed, except for its subset. Default
   * `route`.
   */
  readonly mode?: ClientMode;
  /** Labels of every call; a call's own and ambient ones win. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Labels travel as W3C baggage too, beside metadata: read by `serverInterceptor()` and `httpMiddleware()` (which then
   * let no other baggage through), put into OpenTelemetry's active baggage, and sent by its propagator. Default false.
   */
  readonly baggage?: boolean;
  /** A pino, `console`, or what has its shape: `(message, fields)`. Default: warnings and errors to standard error. */
  readonly logger?: Logger | PinoLogger;
  /** What is reported to OpenTelemetry; `false`: nothing. Default: spans and metrics, to whatever SDK is registered. */
  readonly telemetry?: false | TelemetryOptions;
  /**
   * While a rollout of a service is judged by its clients' figures, count its attempts and report the counts to the
   * controller that drives it (`graylane rollout run --listen`), which Consul KV names. Likewise take part in trials of
   * policies, and in policies that come by degrees (`graylane policy trial`, `policy apply --gradual`). Default false:
   * nothing is asked and nothing is sent.
   */
  readonly reportRolloutMetrics?: boolean;
  /** The copy of grpc-js that the clients use. Default: the one that this package finds. */
  readonly grpc?: GrpcModule;
  /**
   * Where instances and policies are remembered, so that a process can start while Consul is down. `false`: nowhere.
   * Default: `$XDG_STATE_HOME/graylane` where that variable is set, else nowhere. Holds no token; files have mode 0600.
   */
  readonly stateDirectory?: string | false;
  /**
   * Ask Consul once for all processes of this host that use the same `stateDirectory`, agents, token and trust: one of
   * them asks, the others get its answers over a Unix socket there, and take over when it ends. Default: true where
   * there is a state directory. `false`: each process asks for itself.
   */
  readonly shareWatches?: boolean;
  /** How long a call may wait for a connection before other endpoints and tiers serve it. 1..60000 ms, default 2000. */
  readonly connectTimeoutMs?: number;
  /**
   * Ask for each instance under the name that its meta holds at this key: TLS server name, certificate and
   * `:authority`. Only where everyone who may register in Consul is trusted to say so; without, every instance must
   * prove to be the service itself, by name. Instances without such meta, and channels with
   * `grpc.ssl_target_name_override` or `grpc.default_authority`, are as without.
   */
  readonly authority?: { readonly fromMeta: string };
  /** How long `close()` waits for calls in flight. 0..600000 ms, default 10000. */
  readonly closeTimeoutMs?: number;
}

/** A file that is read and watched instead of a value given in code. */
export interface FileReference {
  /** Path of the file. */
  readonly file: string;
}

/** What tests hand in instead of the real world. Not public. */
export interface Seams {
  readonly clock?: Clock;
  readonly random?: Random;
  /** What decisions draw from, and nothing else. Default: `random`. */
  readonly decisionRandom?: Random;
  readonly clientId?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** {@link GraylaneOptions}, checked, with every default applied. */
export interface ParsedOptions extends Required<Pick<GraylaneOptions, Defaulted>>, AsGiven {
  /** Undefined: the agent is asked. */
  readonly zone: { readonly zone: string; readonly from: 'option' | 'environment' } | undefined;
  readonly serviceName: string | undefined;
  readonly policyKeys: TrustedKeys | undefined;
  readonly protection: Protection;
  readonly telemetry: TelemetryOptions;
  readonly stateDirectory: string | undefined;
  readonly authorityMetaKey: string | undefined;
  /** By service, from `GRAYLANE_OVERRIDE`. */
  readonly overrides: ReadonlyMap<string, EnvironmentOverride>;
}

type Defaulted =
  | ('name' | 'policies' | 'lists' | 'policy' | 'requirePolicy' | 'mode' | 'labels' | 'baggage')
  | ('reportRolloutMetrics' | 'shareWatches' | 'connectTimeoutMs' | 'closeTimeoutMs');

type AsGiven = {
  readonly [Key in
    | 'consul'
    | 'datacenters'
    | 'instances'
    | 'policyDatacenter'
    | 'logger'
    | 'grpc']: GraylaneOptions[Key];
};

const KEYS: readonly (keyof GraylaneOptions)[] = [
  'name',
  'serviceName',
  'consul',
  'datacenters',
  'zone',
  'instances',
  'policies',
  'lists',
  'policy',
  'policyDatacenter',
  'policyKeys',
  'requirePolicy',
  'protection',
  'mode',
  'labels',
  'baggage',
  'logger',
  'telemetry',
  'reportRolloutMetrics',
  'grpc',
  'stateDirectory',
  'shareWatches',
  'connectTimeoutMs',
  'authority',
  'closeTimeoutMs',
];
const TELEMETRY_KEYS: readonly (keyof TelemetryOptions)[] = ['traces', 'metrics', 'tracerProvider', 'meterProvider'];
const CLIENT_MODES: readonly ClientMode[] = ['route', 'observe'];

let clients = 0;

/** Checks the options and applies every default. Throws INVALID_OPTION with all problems at once. */
export function parseOptions(
  options: GraylaneOptions,
  env: Readonly<Record<string, string | undefined>> = process.env,
): ParsedOptions {
  const read = new OptionReader(options, '', KEYS);
  const isObject: boolean = isRecord(options);
  if (!isObject) read.throwProblems();
  const { datacenters } = options;
  if (datacenters !== undefined && datacenters !== 'all') {
    const isList = Array.isArray(datacenters) && datacenters.every((name) => typeof name === 'string' && name !== '');
    if (!isList || datacenters.length === 0 || new Set(datacenters).size !== datacenters.length) {
      read.problem('datacenters', showValue(datacenters), 'a list of distinct names, or "all"');
    }
  }
  const { problems } = read;
  const parsed = {
    name: options.name ?? `client-${clients + 1}`,
    serviceName: serviceNameOf(problems, options.serviceName, env),
    consul: options.consul,
    datacenters,
    policy: read.oneOf('policy', POLICY_MODES, 'auto'),
    mode: read.oneOf('mode', CLIENT_MODES, 'route'),
    zone: zoneOf(problems, options.zone, env['GRAYLANE_ZONE']),
    instances: options.instances,
    policies: options.policies ?? {},
    lists: listsOf(read),
    policyDatacenter: options.policyDatacenter,
    policyKeys: policyKeys(read, options.policyKeys),
    requirePolicy: options.requirePolicy ?? false,
    protection: parseProtection(problems, options.protection),
    labels: read.collect(() => checkLabels(options.labels ?? {}, 'labels')) ?? {},
    baggage: read.flag('baggage'),
    logger: options.logger,
    telemetry: telemetryOptions(problems, options.telemetry),
    reportRolloutMetrics: read.flag('reportRolloutMetrics'),
    grpc: options.grpc,
    stateDirectory: stateDirectory(problems, options.stateDirectory, env['XDG_STATE_HOME']),
    shareWatches: read.flag('shareWatches', true),
    connectTimeoutMs: read.number('connectTimeoutMs', { low: 1, high: 60_000, fallback: 2_000 }),
    closeTimeoutMs: read.number('closeTimeoutMs', { low: 0, high: 600_000, fallback: 10_000 }),
    authorityMetaKey: authorityMetaKey(problems, options.authority),
    overrides: read.collect(() => parseOverrides(env['GRAYLANE_OVERRIDE'] ?? '')) ?? new Map(),
  };
  read.throwProblems();
  clients += 1;
  return parsed;
}

function listsOf(read: OptionReader): ParsedOptions['lists'] {
  const lists = read.record('lists');
  for (const [name, list] of Object.entries(lists)) {
    const isFile = isRecord(list) && typeof list['file'] === 'string';
    const isList = Array.isArray(list) && list.every((value) => typeof value === 'string');
    if (!LIST_NAME.test(name)) read.problem(`lists.${shorten(name)}`, 'this name', 'letters, digits, _, . and -');
    else if (!isFile && !isList) read.problem(`lists.${name}`, typeof list, 'a list of texts, or { file }');
  }
  return lists as ParsedOptions['lists'];
}

/** OTEL_SERVICE_NAME is free text: only a name that a service can have is taken. */
function serviceNameOf(
  problems: string[],
  option: unknown,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const variable = env['GRAYLANE_SERVICE'] === '' ? undefined : env['GRAYLANE_SERVICE'];
  const stated = option ?? variable;
  if (stated === undefined) {
    const name = env['OTEL_SERVICE_NAME'] ?? '';
    return SERVICE_NAME.test(name) ? name : undefined;
  }
  if (typeof stated === 'string' && SERVICE_NAME.test(stated)) return stated;
  const where = option === undefined ? 'GRAYLANE_SERVICE' : 'serviceName';
  const expected = 'a service name of 1..255 letters, digits, -, _ and .';
  problems.push(`${where}: ${showValue(stated)} (expected: ${expected})`);
  return undefined;
}

function policyKeys(read: OptionReader, given: unknown): TrustedKeys | undefined {
  if (given === undefined) return undefined;
  const isList = Array.isArray(given) && given.length > 0 && given.every((key) => typeof key === 'string');
  if (!isList) {
    read.problem('policyKeys', `a ${typeof given}`, 'a list of public keys in PEM');
    return undefined;
  }
  const trusted = readTrustedKeys(given);
  if (typeof trusted !== 'string') return trusted;
  read.problems.push(`policyKeys${trusted}`);
  return undefined;
}

/** `payments:stable,orders:datacenter=dc2`: the emergency switch of one process. */
function parseOverrides(text: string): Map<string, EnvironmentOverride> {
  const overrides = new Map<string, EnvironmentOverride>();
  for (const part of text.split(',').map((each) => each.trim())) {
    if (part === '') continue;
    const match = /^(?<service>[^:=\s]+):(?:datacenter=(?<datacenter>[^:=\s]+)|(?<to>[^:=\s]+))$/.exec(part)?.groups;
    const service = match?.['service'];
    if (match === undefined || service === undefined) {
      const shown = JSON.stringify(part.slice(0, 80));
      throw new GraylaneError(
        'INVALID_OPTION',
        `GRAYLANE_OVERRIDE: ${shown} (expected: service:subset or service:datacenter=name, separated by commas)`,
      );
    }
    if (overrides.has(service)) {
      throw new GraylaneError(
        'INVALID_OPTION',
        `GRAYLANE_OVERRIDE: ${service} twice (expected: one entry for each service)`,
      );
    }
    const { to, datacenter } = match;
    overrides.set(service, defined({ to, datacenter }));
  }
  return overrides;
}

/** What is in no answer of Consul either is refused: it would silently be no zone at all. */
function zoneOf(problems: string[], option: unknown, variable: string | undefined): ParsedOptions['zone'] {
  const [zone, from] = option === undefined ? [variable, 'environment' as const] : [option, 'option' as const];
  if (zone === undefined || (from === 'environment' && zone === '')) return undefined;
  if (typeof zone === 'string' && zone !== '' && zone.length <= 256 && !/\p{Cc}/u.test(zone)) return { zone, from };
  const where = from === 'option' ? 'zone' : 'GRAYLANE_ZONE';
  problems.push(`${where}: ${showValue(zone)} (expected: 1..256 characters, none of control)`);
  return undefined;
}

function stateDirectory(
  problems: string[],
  given: string | false | undefined,
  stateHome: string | undefined,
): string | undefined {
  if (given === false) return undefined;
  if (given === undefined) return stateHome === undefined || stateHome === '' ? undefined : join(stateHome, 'graylane');
  if (typeof given === 'string' && given !== '') return given;
  problems.push(`stateDirectory: ${showValue(given)} (expected: a path, or false)`);
  return undefined;
}

function authorityMetaKey(problems: string[], given: unknown): string | undefined {
  if (given === undefined) return undefined;
  const { fromMeta, ...rest } = typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : {};
  if (typeof fromMeta === 'string' && META_KEY.test(fromMeta) && Object.keys(rest).length === 0) {
    return fromMeta;
  }
  problems.push(`authority: ${showValue(given)} (expected: { fromMeta: a key of Consul service meta })`);
  return undefined;
}

function telemetryOptions(problems: string[], given: GraylaneOptions['telemetry']): TelemetryOptions {
  if (given === false) return { traces: false, metrics: false };
  if (given === undefined) return {};
  if (typeof given !== 'object' || given === null) {
    problems.push(`telemetry: ${showValue(given)} (expected: an object, or false)`);
    return {};
  }
  const read = new OptionReader(given, 'telemetry', TELEMETRY_KEYS, problems);
  for (const key of ['traces', 'metrics']) read.flag(key);
  for (const [key, method] of [
    ['tracerProvider', 'getTracer'],
    ['meterProvider', 'getMeter'],
  ] as const) {
    const provider: unknown = given[key];
    if (provider === undefined || (isRecord(provider) && typeof provider[method] === 'function')) continue;
    read.problem(key, `no ${method}()`, 'a provider of OpenTelemetry');
  }
  return given;
}
