import { InvalidArgumentError, Option } from 'commander';
import { CommandError } from './command';

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

/** `--label`, given several times. */
export function parseLabel(text: string, before: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('(expected: key=value)');
  return { ...before, [text.slice(0, at).toLowerCase()]: text.slice(at + 1) };
}

export function parseMethod(text: string): string {
  if (!/^\/[^/\s]+\/[^/\s]+$/.test(text)) throw new InvalidArgumentError('(expected: /package.Service/Method)');
  return text;
}

/** `package.Service/Method`, `/package.Service/Method` or `package.Service.Method`; as the second of them. */
export function parseMethodName(text: string): string {
  const found = /^\/?([\w.]+)[/.](\w+)$/.exec(text);
  if (found === null) throw new InvalidArgumentError('(expected: package.Service/Method)');
  return `/${found[1]}/${found[2]}`;
}

/** `http://host:port/path`, with credentials where it must be. For commander. */
export function parseHttpUrl(text: string): URL {
  if (URL.canParse(text)) {
    const url = new URL(text);
    if (/^https?:$/.test(url.protocol) && url.hash === '') return url;
  }
  throw new InvalidArgumentError('(expected: http://host:port/path or https://host:port/path)');
}

/** The same for an option that may be given several times. */
export function parseHttpUrls(text: string, before: readonly URL[] = []): readonly URL[] {
  return [...before, parseHttpUrl(text)];
}

/** Default limit of an instance's load, as a multiple of its fair share of the calls. */
export const MAX_LOAD_FACTOR: number = 2;

/** A name that may go into queries. */
export function parseService(text: string): string {
  // It goes into queries.
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text)) return text;
  throw new CommandError(2, `service: ${JSON.stringify(text)} (expected: letters, digits, "-", "_" and ".")`);
}

/**
 * Where a policy is taken from in Consul. `auto` as clients do it: the document, else the chain unless it is the
 * default one.
 */
export type PolicySourceName = 'auto' | 'kv' | 'chain';

const NAMES: readonly PolicySourceName[] = ['auto', 'kv', 'chain'];

/** `--policy auto|kv|chain`. */
export function policySourceOption(): Option {
  const what =
    "the policy: the document in KV, the chain of Consul's config entries, or what clients take; default: auto";
  return new Option('--policy <source>', what).choices(NAMES);
}

/** Undefined for the name of a file. */
export function policySourceOf(text: string | undefined): PolicySourceName | undefined {
  return NAMES.find((name) => name === text);
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

/** `http://10.0.0.7:9464`, also below a path; without a slash at the end. */
export function parseAdvertise(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && [url.username, url.password, url.search, url.hash].every((part) => part === '');
  if (!isPlain || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    // Without the text: it may hold a password.
    throw new InvalidArgumentError('(expected: http or https, without user, password and query)');
  }
  return url.href.replace(/\/+$/, '');
}

/** True for an address that means every interface; other processes cannot connect to it by that name. */
export function isWildcard({ host }: ListenAddress): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host);
}

/** `5,25,50,100`: whole or decimal percent, rising. */
export function parseWeights(text: string): readonly number[] {
  const weights = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  const isRising = weights.every((weight, at) => weight > (weights[at - 1] ?? 0) && weight <= 100);
  if (!isRising) throw new InvalidArgumentError('(expected: percent above 0, rising, with commas: 5,25,50,100)');
  return weights;
}
