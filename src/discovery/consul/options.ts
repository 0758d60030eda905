import { GraylaneError } from '../../errors';
import { type AgentAddress, parseAgentAddress } from './agent-address';

/** How to reach Consul. Every part has a default; the usual environment variables fill what is left out. */
export interface ConsulOptions {
  /**
   * `http://host:port`, `https://host:port`, `host:port` or `unix:///path`; several are tried in turn when one cannot be
   * reached. Default: `CONSUL_HTTP_ADDR`, else `http://127.0.0.1:8500`. `CONSUL_HTTP_SSL=true` makes https the default
   * scheme.
   */
  readonly address?: string | readonly string[];
  /** ACL token, or what gives one for each request. Sent in the header only. Default: `CONSUL_HTTP_TOKEN`, else none. */
  readonly token?: string | (() => string | Promise<string>);
  /** Which servers may answer. Default: `stale`, any of them, so that many clients do not all burden the leader. */
  readonly consistency?: 'stale' | 'default' | 'consistent';
  /** How long a blocking query waits for a change: 10,000..60,000 ms. Default: 55,000. */
  readonly waitMs?: number;
  /** Given to Node's TLS as they are; certificates are verified by default. */
  readonly tls?: ConsulTlsOptions;
}

export interface ConsulTlsOptions {
  readonly ca?: string | Buffer | readonly (string | Buffer)[];
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly passphrase?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** {@link ConsulOptions} with all defaults applied. */
export interface ParsedConsulOptions {
  readonly addresses: readonly AgentAddress[];
  readonly token: (() => string | Promise<string>) | undefined;
  readonly consistency: 'stale' | 'default' | 'consistent';
  readonly waitMs: number;
  readonly tls: ConsulTlsOptions;
}

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_ADDRESS = '127.0.0.1:8500';
const KEYS: readonly (keyof ConsulOptions)[] = ['address', 'token', 'consistency', 'waitMs', 'tls'];
const CONSISTENCIES = ['stale', 'default', 'consistent'] as const;

/**
 * Checks the options and applies the defaults. Throws a `GraylaneError` INVALID_OPTION that lists every problem, as
 * `consul.address: ... (expected: ...)`; a token's value is never in it.
 */
export function parseConsulOptions(options: ConsulOptions = {}, env: Environment = process.env): ParsedConsulOptions {
  const problems: string[] = [];
  for (const key of Object.keys(options)) {
    if (!KEYS.some((known) => known === key)) problems.push(`consul.${key}: unknown (expected: ${KEYS.join(', ')})`);
  }
  const addresses = parseAddresses(options, env, problems);
  const token = parseToken(options, env, problems);
  const consistency = options.consistency ?? 'stale';
  if (!CONSISTENCIES.includes(consistency)) {
    problems.push(`consul.consistency: ${String(consistency)} (expected: ${CONSISTENCIES.join(', ')})`);
  }
  const waitMs = options.waitMs ?? 55_000;
  if (!(typeof waitMs === 'number' && waitMs >= 10_000 && waitMs <= 60_000)) {
    problems.push(`consul.waitMs: ${String(waitMs)} (expected: 10000..60000)`);
  }
  if (problems.length > 0) throw new GraylaneError('INVALID_OPTION', problems.join('\n'));
  return { addresses, token, consistency, waitMs, tls: options.tls ?? {} };
}

function parseAddresses(options: ConsulOptions, env: Environment, problems: string[]): readonly AgentAddress[] {
  const scheme = isTrue(env['CONSUL_HTTP_SSL']) ? 'https' : 'http';
  const given = options.address;
  const fromEnv = nonEmpty(env['CONSUL_HTTP_ADDR']);
  const path = given !== undefined ? 'consul.address' : 'CONSUL_HTTP_ADDR';
  const texts: readonly unknown[] = Array.isArray(given)
    ? given
    : [given !== undefined ? given : (fromEnv ?? DEFAULT_ADDRESS)];
  if (texts.length === 0) problems.push(`${path}: [] (expected: at least one address)`);
  const addresses: AgentAddress[] = [];
  texts.forEach((text, index) => {
    const where = Array.isArray(given) ? `${path}[${index}]` : path;
    const parsed = parseAgentAddress(text, scheme);
    if (typeof parsed === 'string') problems.push(`${where}: ${parsed}`);
    else addresses.push(parsed);
  });
  return addresses;
}

function parseToken(
  options: ConsulOptions,
  env: Environment,
  problems: string[],
): (() => string | Promise<string>) | undefined {
  const given = options.token ?? nonEmpty(env['CONSUL_HTTP_TOKEN']);
  if (given === undefined || given === '') return undefined;
  if (typeof given === 'function') return given;
  const path = options.token === undefined ? 'CONSUL_HTTP_TOKEN' : 'consul.token';
  if (typeof given !== 'string') problems.push(`${path}: ${typeof given} (expected: a string or a function)`);
  else if (!isHeaderSafe(given)) problems.push(`${path}: (not shown) (expected: printable ASCII without spaces)`);
  return () => given;
}

/** What may stand in a header as it is; anything else would split or break the request. */
export function isHeaderSafe(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token);
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(1|t|true)$/i.test(text);
}
