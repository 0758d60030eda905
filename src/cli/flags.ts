import { type Argument, InvalidArgumentError, type Option } from 'commander';
import { parseTimestamp } from '../policy/override';
import { argument, CommandError, option } from './command';

/** A number above 0. */
export function parsePositive(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0) || !Number.isFinite(value))
    throw new InvalidArgumentError('(expected: a number > 0)');
  return value;
}

export function parseWhole(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('(expected: a whole number > 0)');
  return Number(text);
}

/** 1 to 65535. */
export function parsePort(text: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new InvalidArgumentError('(expected: 1 to 65535)');
  return port;
}

/** A time as RFC 3339, as it was written. */
export function parseTime(text: string): string {
  if (parseTimestamp(text) === undefined) throw new InvalidArgumentError('(expected: RFC 3339, 2026-12-01T10:00:00Z)');
  return text;
}

/** Reads `25`, `25%` and `0.5`. `limit` is the end of the message about another text. */
export function percentParser(decimals: number, limit: string): (text: string) => number {
  const pattern = new RegExp(`^\\d{1,3}(?:\\.\\d{1,${decimals}})?%?$`);
  return (text) => {
    const value = pattern.test(text) ? Number.parseFloat(text) : Number.NaN;
    if (!(value <= 100)) throw new InvalidArgumentError(`(expected: 0 to 100${limit})`);
    return value;
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const LONGEST_DAYS = 30;

/** `90s`, `30m`, `2h`, `1d`, up to thirty days; in milliseconds. */
export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit ?? ''] ?? Number.NaN);
  if (!(ms > 0) || ms > LONGEST_DAYS * 86_400_000) {
    throw new InvalidArgumentError(`(expected: 90s, 30m, 2h or 1d, at most ${LONGEST_DAYS}d)`);
  }
  return ms;
}

/** `600`, `0.5`, `10m`: seconds, or a duration; in seconds. */
export function parseSeconds(text: string): number {
  if (/^\d{1,9}(?:\.\d{1,3})?$/.test(text) && Number(text) > 0) return Number(text);
  try {
    return parseDuration(text) / 1000;
  } catch {
    throw new InvalidArgumentError('(expected: seconds above 0, such as 600 or 10m)');
  }
}

/** Metadata takes no other keys, so no call could have a label with one. */
export const LABEL_KEY: RegExp = /^[\w.-]+$/;
export const LABEL_EXPECTED: string =
  '(expected: key=value, without blanks around =, the key of letters, digits, _ . -)';

/** `--label`, given several times. */
export function parseLabel(text: string, before: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  const key = text.slice(0, Math.max(0, at)).toLowerCase();
  if (!LABEL_KEY.test(key)) throw new InvalidArgumentError(LABEL_EXPECTED);
  return { ...before, [key]: text.slice(at + 1) };
}

/** `/package.Service/Method`, also without the first slash. */
export function parseMethod(text: string): string {
  if (!/^\/?[^/\s]+\/[^/\s]+$/.test(text)) throw new InvalidArgumentError('(expected: /package.Service/Method)');
  return text.startsWith('/') ? text : `/${text}`;
}

/** `package.Service/Method`, `/package.Service/Method` or `package.Service.Method`; as the second of them. */
export function parseMethodName(text: string): string {
  const found = /^\/?([\w.]+)[/.](\w+)$/.exec(text);
  if (found === null) {
    throw new InvalidArgumentError('(expected: package.Service/Method, one of those that graylane call SERVICE lists)');
  }
  return `/${found[1]}/${found[2]}`;
}

/** `http://host:port/path`, which may hold credentials. */
export function parseHttpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.hash === '') return url;
  throw new InvalidArgumentError('(expected: http://host:port/path or https://host:port/path)');
}

/** For an option that may be given several times. */
export function repeated<T>(parse: (text: string) => T): (text: string, before?: readonly T[]) => readonly T[] {
  return (text, before = []) => [...before, parse(text)];
}

/** A service's name, which may go into queries and keys. Throws a CommandError. */
export function parseService(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text)) return text;
  throw new CommandError(2, `service: ${JSON.stringify(text)} (expected: letters, digits, "-", "_" and ".")`);
}

/** `dc1`, `dc1,dc2` or `all`, without blanks. Never empty: a script whose variable is not set must not go on elsewhere. */
export function parseDatacenters(text: string): string {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('(expected: names of datacenters with commas, or all)');
  return names.join(',');
}

export const SERVICE: Argument = argument('<service>', 'name in Consul', parseService);

/** None, one or several. */
export function services(text: string): Argument {
  return argument('[service...]', text, repeated(parseService));
}

export interface ListenAddress {
  /** Without brackets. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** `127.0.0.1:9464`, `[::1]:9464`, `rollouts.internal:9464`. */
export function parseListen(text: string): ListenAddress {
  const [, inner, plain, digits] = /^(?:\[([\da-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = inner ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) throw new InvalidArgumentError('(expected: HOST:PORT or [HOST]:PORT)');
  return { host, port };
}

/** A name that a browser may send as `Host`, without a port. */
export function parseHostName(text: string): string {
  if (/^(?:\[[\da-f:.]+\]|[a-z\d](?:[a-z\d.-]{0,251}[a-z\d])?)$/i.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError('(expected: a host name without port, such as console.internal)');
}

/** `http://10.0.0.7:9464`, also below a path; without a slash at the end. */
export function parseAdvertise(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && [url.username, url.password, url.search, url.hash].every((part) => part === '');
  if (!isPlain || !/^https?:$/.test(url.protocol)) {
    // Without the text: it may hold a password.
    throw new InvalidArgumentError('(expected: http or https, without user, password and query)');
  }
  return url.href.replace(/\/+$/, '');
}

/** `5,25,50,100`, `5%,25%`: whole or decimal percent, rising. */
export function parseWeights(text: string): readonly number[] {
  const weights = text
    .split(',')
    .map((part) => (/^\s*[\d.]+\s*%?\s*$/.test(part) ? Number.parseFloat(part) : Number.NaN));
  const isRising = weights.every((weight, at) => weight > (weights[at - 1] ?? 0) && weight <= 100);
  if (!isRising) throw new InvalidArgumentError('(expected: percent above 0, rising, with commas: 5,25,50,100)');
  return weights;
}

export const TO_ASK = 'datacenters to ask, with commas, or all; default: the one of the agent';
export const TO_WRITE_TO = 'datacenters to write to, with commas, or all; default: the one of the agent';
export const LOCAL_FIRST = 'datacenters, the local one first, with commas, or all; default: the one of the agent';

export const TOKEN_FILE: Option = option(
  '--token-file <file>',
  'file with the ACL token; default: CONSUL_HTTP_TOKEN_FILE, CONSUL_HTTP_TOKEN',
);

/** For what only the agent's own datacenter can do. */
export const AGENT: readonly Option[] = [
  option('--consul <address>', 'http://host:port, https://host:port or unix:///path; default: CONSUL_HTTP_ADDR'),
  TOKEN_FILE,
];

/** For what takes other datacenters, too. */
export function consul(dc = 'datacenter to ask; default: the one of the agent'): readonly Option[] {
  return [...AGENT, option('--dc <name>', dc, parseDatacenters)];
}

/** For every command that writes policies. */
export const SIGNING_KEY: Option = option(
  '--key <file>',
  'private key (Ed25519, PEM) that signs the policy; none gives up its signature; default: GRAYLANE_POLICY_KEY',
);

/** Default limit of an instance's load, as a multiple of its fair share of the calls. */
export const MAX_LOAD_FACTOR = 2;

/** Where the processes are found: exactly one of the two. */
export interface FleetSources {
  readonly prometheus?: URL;
  /** Of `graylane.adminHandler()`. */
  readonly url?: readonly URL[];
}

export const FLEET_SOURCES: readonly Option[] = [
  option('--prometheus <url>', 'address of Prometheus, with the path that it is served under', parseHttpUrl),
  option(
    '--url <url>',
    'where a process has mounted graylane.adminHandler(); may be given several times',
    repeated(parseHttpUrl),
  ),
];

/** Throws a CommandError unless exactly one of the sources is given. */
export function checkSources({ prometheus, url = [] }: FleetSources): void {
  if ((prometheus !== undefined) !== url.length > 0) return;
  const problem = prometheus === undefined ? 'missing' : 'with --url';
  throw new CommandError(2, `--prometheus: ${problem} (expected: --prometheus URL, or --url URL for each process)`);
}

/** For every command that writes policies after the checks of `policy apply`. */
export const WRITE: readonly Option[] = [
  ...consul(TO_WRITE_TO),
  SIGNING_KEY,
  option('--wait <duration>', 'until all follow, such as 30s; needs --prometheus or --url', parseDuration),
  ...FLEET_SOURCES,
  option('-m, --message <text>', 'why, for the history; required unless --dry-run'),
  option('--dry-run', 'write nothing'),
  option('--allow-reshuffle', 'write it even if sticky callers move that need not'),
  option(
    '--max-load-factor <number>',
    'times its fair share of calls that a healthy instance may get',
    parsePositive,
    MAX_LOAD_FACTOR,
  ),
  option('--force', 'write it even if calls would fail, or the instances of a subset cannot carry its share'),
];

/** The same for a command that writes the policy of one service. */
export const WRITE_ONE: readonly Option[] = [
  ...WRITE,
  option('--if-revision <revision>', 'only if this revision is in force: what a review was made against'),
];

/**
 * Where a policy is taken from in Consul. `auto` as clients do it: the document, else the chain unless it is the
 * default one.
 */
export type PolicySourceName = 'auto' | 'kv' | 'chain';

const SOURCES: readonly PolicySourceName[] = ['auto', 'kv', 'chain'];

export const POLICY_SOURCE: Option = option(
  '--policy <source>',
  "the policy: the document in KV, the chain of Consul's config entries, or what clients take; default: auto",
).choices(SOURCES);

/** Undefined for the name of a file. */
export function policySourceOf(text: string | undefined): PolicySourceName | undefined {
  return SOURCES.find((name) => name === text);
}
