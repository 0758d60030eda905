import { GraylaneError } from '../base/errors';
import { isRecord } from '../base/is-record';
import { OptionReader } from '../base/option-reader';
import { showValue } from '../base/shorten';
import { type AgentAddress, parseAgentAddress } from './address';
import { type Environment, flagIn, textIn } from './environment';
import { type ConsulTlsOptions, type ParsedTlsOptions, parseTlsOptions } from './tls';
import { parseTokenOption, type TokenOption } from './token';

export type { ConsulTlsOptions } from './tls';

/** How to reach Consul. Every part has a default; the usual environment variables fill what is left out. */
export interface ConsulOptions {
  /**
   * `http://host:port`, `https://host:port`, `host:port` or `unix:///path`. Several, as a list or with commas in
   * between: the first that is well is asked, the next one while it is ill; all must be agents of the same datacenter.
   * Default: `CONSUL_HTTP_ADDR`, else `http://127.0.0.1:8500`. `https` is the default scheme where `tls` is given or
   * `CONSUL_HTTP_SSL=true`.
   */
  readonly address?: string | readonly string[];
  /**
   * ACL token, or what gives one for each request (within 5 s). Sent in the header only. Default: `CONSUL_HTTP_TOKEN`,
   * else none. Not together with `tokenFile`.
   */
  readonly token?: string | (() => string | Promise<string>);
  /**
   * A file that holds the token, read for each request, so that it may be rotated at any time; while it cannot be used
   * the last token stays. Default: `CONSUL_HTTP_TOKEN_FILE`.
   */
  readonly tokenFile?: string;
  /** `user:password` for a proxy before Consul that asks for one. Default: `CONSUL_HTTP_AUTH`, else none. */
  readonly httpAuth?: string;
  /** Consul Enterprise: named in every read. Default: `CONSUL_NAMESPACE`, else the token's own. */
  readonly namespace?: string;
  /** Consul Enterprise: the admin partition. Default: `CONSUL_PARTITION`, else the agent's own. */
  readonly partition?: string;
  /** Which servers may answer. Default: `stale`, any of them, so that many clients do not all burden the leader. */
  readonly consistency?: 'stale' | 'default' | 'consistent';
  /** How long a blocking query waits for a change: 10,000..60,000 ms. Default: 55,000. */
  readonly waitMs?: number;
  /** For `https:` addresses, whose certificates are verified by default. Refused beside an `http:` address. */
  readonly tls?: ConsulTlsOptions;
}

/** {@link ConsulOptions} with all defaults applied. Secrets are behind functions, so that printing it shows none. */
export interface ParsedConsulOptions {
  readonly addresses: readonly AgentAddress[];
  readonly token: TokenOption | undefined;
  readonly httpAuth: (() => string) | undefined;
  /** Query parameters of every read. */
  readonly tenancy: { readonly ns?: string; readonly partition?: string };
  readonly consistency: 'stale' | 'default' | 'consistent';
  readonly waitMs: number;
  readonly tls: ParsedTlsOptions;
}

const DEFAULT_ADDRESS = '127.0.0.1:8500';
const KEYS: readonly (keyof ConsulOptions)[] = [
  'address',
  'token',
  'tokenFile',
  'httpAuth',
  'namespace',
  'partition',
  'consistency',
  'waitMs',
  'tls',
];
const CONSISTENCIES = ['stale', 'default', 'consistent'] as const;

/**
 * Checks the options and applies the defaults. Throws a `GraylaneError` INVALID_OPTION that lists every problem, as
 * `consul.address: ... (expected: ...)`; a token's value is never in it. `elsewhere` is an agent that a target names:
 * asked in place of the addresses, with the same trust, so over TLS where they are.
 */
export function parseConsulOptions(
  options: ConsulOptions = {},
  env: Environment = process.env,
  elsewhere?: string,
): ParsedConsulOptions {
  const read = new OptionReader(options, 'consul', KEYS);
  const { problems } = read;
  // What is no object has no options that could be wrong, too.
  const isObject: boolean = isRecord(options);
  if (!isObject)
    throw new GraylaneError('INVALID_OPTION', `${problems.join()}, such as { address: 'http://127.0.0.1:8500' }`);
  const addresses = parseAddresses(options, env, problems);
  const token = parseTokenOption(options, env, problems);
  const tls = parseTlsOptions(options.tls, env, problems);
  const consistency = read.oneOf('consistency', CONSISTENCIES, 'stale');
  const waitMs = read.number('waitMs', { low: 10_000, high: 60_000, fallback: 55_000 });
  const httpAuth = parseHttpAuth(options, env, problems);
  const tenancy = {
    ...parseName('ns', 'namespace', 'CONSUL_NAMESPACE', options, env, problems),
    ...parseName('partition', 'partition', 'CONSUL_PARTITION', options, env, problems),
  };
  let asked = addresses;
  if (elsewhere !== undefined && problems.length === 0) {
    const parsed = parseAgentAddress(elsewhere, addresses.some(isSecure) ? 'https' : 'http');
    if (typeof parsed === 'string') problems.push(`consul address of the target: ${parsed}`);
    else asked = [parsed];
  }
  read.throwProblems();
  return { addresses: asked, token, httpAuth, tenancy, consistency, waitMs, tls };
}

function parseAddresses(options: ConsulOptions, env: Environment, problems: string[]): readonly AgentAddress[] {
  const isSslAsked = flagIn(env, 'CONSUL_HTTP_SSL', problems) === true;
  const isTlsGiven = typeof options.tls === 'object' && options.tls !== null && Object.keys(options.tls).length > 0;
  const scheme = isSslAsked || isTlsGiven ? 'https' : 'http';
  const given = options.address;
  // As Consul's own clients do: TLS that the environment asks for is not undone by the scheme of its address.
  const fromEnv = isSslAsked
    ? textIn(env, 'CONSUL_HTTP_ADDR')?.replace(/(^|,\s*)http:/gi, '$1https:')
    : textIn(env, 'CONSUL_HTTP_ADDR');
  const path = given !== undefined ? 'consul.address' : 'CONSUL_HTTP_ADDR';
  const text: unknown = given !== undefined ? given : (fromEnv ?? DEFAULT_ADDRESS);
  const texts: readonly unknown[] = Array.isArray(text) ? text : typeof text === 'string' ? listIn(text) : [text];
  if (texts.length === 0) problems.push(`${path}: [] (expected: at least one address)`);
  const addresses: AgentAddress[] = [];
  texts.forEach((text, index) => {
    const where = Array.isArray(given) ? `${path}[${index}]` : path;
    const parsed = parseAgentAddress(text, scheme);
    if (typeof parsed === 'string') problems.push(`${where}: ${parsed}`);
    else if (isTlsGiven && !isSecure(parsed) && parsed.socketPath === undefined) {
      problems.push(`${where}: ${parsed.text} (expected: an https:// address, since consul.tls is given)`);
    } else addresses.push(parsed);
  });
  return addresses;
}

/** Addresses with commas in between; a blank one among them is a slip, and stays to be told. */
function listIn(text: string): readonly string[] {
  return text.includes(',') ? text.split(',').map((one) => one.trim()) : [text];
}

function isSecure(address: AgentAddress): boolean {
  return address.baseUrl.startsWith('https:');
}

function parseHttpAuth(options: ConsulOptions, env: Environment, problems: string[]): (() => string) | undefined {
  const given: unknown = options.httpAuth ?? textIn(env, 'CONSUL_HTTP_AUTH');
  if (given === undefined || given === '') return undefined;
  if (typeof given === 'string' && !/\p{Cc}/u.test(given)) return () => given;
  const path = options.httpAuth === undefined ? 'CONSUL_HTTP_AUTH' : 'consul.httpAuth';
  problems.push(`${path}: (not shown) (expected: user:password)`);
  return undefined;
}

function parseName(
  parameter: 'ns' | 'partition',
  key: 'namespace' | 'partition',
  variable: string,
  options: ConsulOptions,
  env: Environment,
  problems: string[],
): { readonly [name: string]: string } {
  const given: unknown = options[key] ?? textIn(env, variable);
  if (given === undefined || given === '') return {};
  if (typeof given === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(given)) return { [parameter]: given };
  const path = options[key] === undefined ? variable : `consul.${key}`;
  problems.push(`${path}: ${showValue(given)} (expected: a name of letters, digits, - and _)`);
  return {};
}
