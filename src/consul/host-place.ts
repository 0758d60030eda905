import { readFileSync, readlinkSync } from 'node:fs';
import { lstat, mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '../base/sha256';
import type { ParsedConsulOptions } from './options';
import type { TlsSource } from './tls';

/** Where the processes of a host meet, or why they cannot. */
export type Place =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** With how processes speak to each other, beside the version of this package. */
const PROTOCOL = 1;
/** `sun_path` of Linux has 108 bytes, that of macOS 104; the name that a socket is bound under is a little longer. */
const PATH_LIMIT_BYTES = 103;
const BOUND_SUFFIX_BYTES = 12;

/** Makes the folder for sockets. Never rejects. */
export async function findPlace(stateDirectory: string, name: string): Promise<Place> {
  if (process.platform === 'win32' || process.getuid === undefined) return refused('no Unix sockets on this platform');
  const folder = join(stateDirectory, 'host');
  const path = join(folder, `${name}.sock`);
  if (Buffer.byteLength(path) + BOUND_SUFFIX_BYTES > PATH_LIMIT_BYTES) {
    return refused(`${path}: too long for a Unix socket (expected: a shorter stateDirectory)`);
  }
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const problem = (await ownership(stateDirectory, 0o022)) ?? (await ownership(folder, 0o077));
    return problem === undefined ? { kind: 'socket', path } : refused(problem);
  } catch (error) {
    return refused(`${folder}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}

/** A user who may write into a folder on the way could put a socket of their own there, and would be believed. */
async function ownership(folder: string, mayNot: number): Promise<string | undefined> {
  const entry = await lstat(folder);
  if (!entry.isDirectory()) return `${folder}: no folder of its own`;
  if (entry.uid !== process.getuid?.()) return `${folder}: owned by user ${entry.uid} (expected: this process' own)`;
  if ((entry.mode & mayNot) === 0) return undefined;
  return `${folder}: mode ${(entry.mode & 0o777).toString(8)} (expected: others may not ${mayNot === 0o077 ? 'enter' : 'write'})`;
}

/**
 * Names a socket after all that answers depend on: two processes that would not get the same answers for the same
 * question never meet. Holds the token only as part of a digest.
 */
export function socketName(options: ParsedConsulOptions, token: string, version: string): string {
  const { addresses, tenancy, tls, httpAuth } = options;
  const parts = [
    [PROTOCOL, version, process.versions.node.split('.')[0]],
    hostIdentity(),
    addresses.map(({ text }) => text),
    tenancy,
    [token, httpAuth?.() ?? ''],
    [tls.ca, tls.cert, tls.key].map(material),
    [tls.passphrase?.() ?? '', tls.servername ?? '', tls.rejectUnauthorized],
  ];
  return sha256(`graylane host\0${JSON.stringify(parts)}`).slice(0, 24);
}

function material(source: TlsSource | undefined): unknown {
  if (source === undefined) return undefined;
  return source.kind === 'pem' ? source.read().map(String) : [source.kind, source.path];
}

/**
 * The machine as it runs, and the network that `127.0.0.1` means: a state directory may be shared over a network, or
 * between containers each of which has an agent of its own at that address.
 */
export function hostIdentity(): readonly string[] {
  return [first(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'), hostname), first(network, () => '')];
}

function network(): string {
  return readlinkSync('/proc/self/ns/net');
}

function first(read: () => string, otherwise: () => string): string {
  try {
    return read();
  } catch {
    return otherwise();
  }
}

function refused(reason: string): Place {
  return { kind: 'refused', reason };
}
