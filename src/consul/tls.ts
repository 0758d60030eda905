import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { isRecord } from '../base/is-record';
import { keyProblems } from '../base/option-reader';
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
  /**
   * The name that Consul's certificate must be valid for. Default: `CONSUL_TLS_SERVER_NAME`, else the address' host.
   */
  readonly servername?: string;
  /** False takes any certificate. Default: `CONSUL_HTTP_SSL_VERIFY`, else true. */
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
  const text = typeof value === 'string' ? value : '';
  const isPath = text !== '' && !text.includes('-----BEGIN ') && !text.includes('\0');
  if (!isPath) problems.push(`consul.tls.${key}: (not shown) (expected: the path of a ${kind})`);
  return { kind, from: `consul.tls.${key}`, path: text };
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

/** Some certificate or key cannot be had. `reason` names its path and nothing of its content. */
export class UnusableMaterial extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

/** What connections to Consul are secured with. */
export interface TlsMaterial {
  /**
   * Reads every file afresh; gives the same context for as long as they have not changed. Rejects with
   * UnusableMaterial.
   */
  context(): Promise<SecureContext>;
}

const FILE_LIMIT_BYTES = 1024 * 1024;

export function createTlsMaterial(options: ParsedTlsOptions): TlsMaterial {
  let made: { readonly fingerprint: string; readonly context: SecureContext } | undefined;
  let reading: Promise<SecureContext> | undefined;

  const read = async (): Promise<SecureContext> => {
    const [ca, cert, key] = await Promise.all([readAll(options.ca), readAll(options.cert), readAll(options.key)]);
    const fingerprint = fingerprintOf([ca, cert, key]);
    if (made?.fingerprint !== fingerprint) {
      made = { fingerprint, context: createContext({ ca, cert, key }, options) };
    }
    return made.context;
  };

  return {
    context() {
      // Connections are often made many at a time.
      reading ??= read().finally(() => {
        reading = undefined;
      });
      return reading;
    },
  };
}

type Pieces = readonly (string | Buffer)[];

function createContext(
  material: { readonly ca: Pieces; readonly cert: Pieces; readonly key: Pieces },
  options: ParsedTlsOptions,
): SecureContext {
  const passphrase = options.passphrase?.();
  try {
    return createSecureContext({
      minVersion: 'TLSv1.2',
      ...(material.ca.length === 0 ? {} : { ca: [...material.ca] }),
      ...(material.cert.length === 0 ? {} : { cert: [...material.cert] }),
      ...(material.key.length === 0 ? {} : { key: [...material.key] }),
      ...(passphrase === undefined ? {} : { passphrase }),
    });
  } catch (error) {
    const sources = [options.ca, options.cert, options.key].filter((source) => source !== undefined);
    throw new UnusableMaterial(
      `${sources.map(nameOf).join(', ')}: ${codeOf(error)} (expected: PEM that fits together)`,
    );
  }
}

async function readAll(source: TlsSource | undefined): Promise<Pieces> {
  if (source === undefined) return [];
  if (source.kind === 'pem') return source.read();
  if (source.kind === 'file') return [await readPem(source, source.path)];
  const found: Buffer[] = [];
  for (const name of (await attempt(source, () => readdir(source.path))).sort()) {
    const path = join(source.path, name);
    // Mounted folders hold links to folders beside links to files.
    const isFile = await stat(path).then(
      (entry) => entry.isFile(),
      () => false,
    );
    if (isFile) found.push(await readPem(source, path));
  }
  if (found.length === 0) throw new UnusableMaterial(`${nameOf(source)}: empty (expected: PEM files)`);
  return found;
}

async function readPem(source: TlsSource, path: string): Promise<Buffer> {
  const { from } = source;
  const entry = await attempt(source, () => stat(path));
  if (!entry.isFile() || entry.size > FILE_LIMIT_BYTES) {
    throw new UnusableMaterial(`${from}: ${path}: (expected: a PEM file of at most ${FILE_LIMIT_BYTES} bytes)`);
  }
  const content = await attempt(source, () => readFile(path));
  if (!content.includes('-----BEGIN ')) throw new UnusableMaterial(`${from}: ${path}: (expected: PEM text)`);
  return content;
}

async function attempt<T>(source: TlsSource, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new UnusableMaterial(`${nameOf(source)}: ${codeOf(error)} (expected: a readable ${source.kind})`);
  }
}

function nameOf(source: TlsSource): string {
  return source.kind === 'pem' ? source.from : `${source.from}: ${source.path}`;
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'not usable';
}

function fingerprintOf(parts: readonly Pieces[]): string {
  const hash = createHash('sha256');
  for (const pieces of parts) {
    for (const piece of pieces) hash.update(piece).update('\0');
    hash.update('\n');
  }
  return hash.digest('base64');
}
