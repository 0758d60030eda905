import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { ParsedTlsOptions, TlsSource } from './tls-options';

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
  /** Reads every file afresh; gives the same context for as long as they have not changed. Rejects with UnusableMaterial. */
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
