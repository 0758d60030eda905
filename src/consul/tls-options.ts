import { isRecord } from '../base/is-record';
import { keyProblems } from '../base/option-keys';
import { type Environment, flagIn, textIn } from './environment';

/**
 * TLS to Consul. A certificate is given as PEM text or as the path of a PEM file; files are read when a connection is
 * made, so that rotated ones are followed. Each part that is left out comes from the environment.
 */
export interface ConsulTlsOptions {
  /** PEM. Replaces Node's own certificate authorities. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[];
  /** A PEM file, which may hold several. Default: `CONSUL_CACERT`. */
  readonly caFile?: string;
  /** A folder of PEM files. Default: `CONSUL_CAPATH`. */
  readonly caPath?: string;
  /** PEM. What this client shows to Consul (mutual TLS), with the chain that leads to its authority. */
  readonly cert?: string | Buffer;
  /** Default: `CONSUL_CLIENT_CERT`. */
  readonly certFile?: string;
  /** PEM. The private key of `cert`. */
  readonly key?: string | Buffer;
  /** Default: `CONSUL_CLIENT_KEY`. */
  readonly keyFile?: string;
  /** Of the private key. */
  readonly passphrase?: string;
  /** The name that Consul's certificate must be valid for. Default: `CONSUL_TLS_SERVER_NAME`, else the address' host. */
  readonly servername?: string;
  /** False takes any certificate from anybody. Default: `CONSUL_HTTP_SSL_VERIFY`, else true. */
  readonly rejectUnauthorized?: boolean;
}

/** A piece of TLS material: what it is called in a message, and where it is. Text is held so that it does not print. */
export type TlsSource =
  | { readonly kind: 'pem'; readonly from: string; readonly read: () => readonly (string | Buffer)[] }
  | { readonly kind: 'file' | 'folder'; readonly from: string; readonly path: string };

export interface ParsedTlsOptions {
  /** Undefined: Node's own authorities. */
  readonly ca: TlsSource | undefined;
  readonly cert: TlsSource | undefined;
  readonly key: TlsSource | undefined;
  readonly passphrase: (() => string) | undefined;
  readonly servername: string | undefined;
  readonly rejectUnauthorized: boolean;
}

const KEYS: readonly (keyof ConsulTlsOptions)[] = [
  'ca',
  'caFile',
  'caPath',
  'cert',
  'certFile',
  'key',
  'keyFile',
  'passphrase',
  'servername',
  'rejectUnauthorized',
];

/** Checks forms only; nothing is read. Problems are added to `problems`, without anything of a key in them. */
export function parseTlsOptions(given: unknown, env: Environment, problems: string[]): ParsedTlsOptions {
  const tls = checkShape(given, problems);
  const ca = only(
    [pem('ca', tls, problems), path('file', 'caFile', tls, problems), path('folder', 'caPath', tls, problems)],
    problems,
  );
  const cert = only([pem('cert', tls, problems), path('file', 'certFile', tls, problems)], problems);
  const key = only([pem('key', tls, problems), path('file', 'keyFile', tls, problems)], problems);
  const caFromEnv = (): TlsSource | undefined =>
    only([fromEnv('file', 'CONSUL_CACERT', env), fromEnv('folder', 'CONSUL_CAPATH', env)], problems);
  // A pair belongs together: half of it in the options and half in the environment would be two identities.
  const isPairGiven = cert !== undefined || key !== undefined;
  const pair = isPairGiven
    ? { cert, key }
    : { cert: fromEnv('file', 'CONSUL_CLIENT_CERT', env), key: fromEnv('file', 'CONSUL_CLIENT_KEY', env) };
  if (pair.cert !== undefined && pair.key === undefined) {
    problems.push(`${pair.cert.from}: given (expected: ${isPairGiven ? 'key or keyFile' : 'CONSUL_CLIENT_KEY'} too)`);
  }
  if (pair.key !== undefined && pair.cert === undefined) {
    problems.push(`${pair.key.from}: given (expected: ${isPairGiven ? 'cert or certFile' : 'CONSUL_CLIENT_CERT'} too)`);
  }
  const { passphrase } = tls;
  return {
    ca: ca ?? caFromEnv(),
    ...pair,
    passphrase: passphrase === undefined ? undefined : () => passphrase,
    servername: tls.servername ?? textIn(env, 'CONSUL_TLS_SERVER_NAME'),
    rejectUnauthorized: tls.rejectUnauthorized ?? flagIn(env, 'CONSUL_HTTP_SSL_VERIFY', problems) ?? true,
  };
}

function checkShape(given: unknown, problems: string[]): ConsulTlsOptions {
  if (given === undefined) return {};
  problems.push(...keyProblems(given, 'consul.tls', KEYS));
  if (!isRecord(given)) return {};
  const tls = given as ConsulTlsOptions;
  for (const key of ['passphrase', 'servername'] as const) {
    if (tls[key] !== undefined && (typeof tls[key] !== 'string' || tls[key] === '')) {
      problems.push(`consul.tls.${key}: ${key === 'passphrase' ? '(not shown)' : typeof tls[key]} (expected: text)`);
    }
  }
  if (tls.rejectUnauthorized !== undefined && typeof tls.rejectUnauthorized !== 'boolean') {
    problems.push(`consul.tls.rejectUnauthorized: ${typeof tls.rejectUnauthorized} (expected: true or false)`);
  }
  return tls;
}

function pem(key: 'ca' | 'cert' | 'key', tls: ConsulTlsOptions, problems: string[]): TlsSource | undefined {
  const value: unknown = tls[key];
  if (value === undefined) return undefined;
  const parts: readonly unknown[] = key === 'ca' && Array.isArray(value) ? value : [value];
  const isPem = (part: unknown): boolean =>
    (typeof part === 'string' || Buffer.isBuffer(part)) && part.includes('-----BEGIN ');
  if (parts.length === 0 || !parts.every(isPem)) {
    problems.push(`consul.tls.${key}: (not shown) (expected: PEM text; a path goes into ${key}File)`);
  }
  return { kind: 'pem', from: `consul.tls.${key}`, read: () => parts as readonly (string | Buffer)[] };
}

function path(
  kind: 'file' | 'folder',
  key: 'caFile' | 'caPath' | 'certFile' | 'keyFile',
  tls: ConsulTlsOptions,
  problems: string[],
): TlsSource | undefined {
  const value: unknown = tls[key];
  if (value === undefined) return undefined;
  const isPath = typeof value === 'string' && value !== '' && !value.includes('-----BEGIN ') && !value.includes('\0');
  if (!isPath) problems.push(`consul.tls.${key}: (not shown) (expected: the path of a ${kind})`);
  return { kind, from: `consul.tls.${key}`, path: String(value) };
}

function fromEnv(kind: 'file' | 'folder', name: string, env: Environment): TlsSource | undefined {
  const path = textIn(env, name);
  return path === undefined ? undefined : { kind, from: name, path };
}

function only(sources: readonly (TlsSource | undefined)[], problems: string[]): TlsSource | undefined {
  const [first, second] = sources.filter((source) => source !== undefined);
  if (first !== undefined && second !== undefined) {
    problems.push(`${second.from}: given (expected: not together with ${first.from})`);
  }
  return first;
}
