import { readFile } from 'node:fs/promises';
import { type ChannelCredentials, Client, credentials } from '@grpc/grpc-js';
import { defined } from '../../base/defined';
import { GraylaneError } from '../../base/errors';
import type { Graylane } from '../../client/api';
import { instancesOf, type Snapshot } from '../../policy/membership/snapshot';
import { CommandError, codeOf } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { type WatchedService, watchService } from '../consul/watched-service';
import type { PolicySourceName } from '../flags';
import type { CommandIo } from '../io';

/** A gRPC client of one service, and the Graylane client under it. */
export interface ServiceClient {
  readonly graylane: Graylane;
  readonly client: Client;
  /** Of an instance, by its meta `version`; empty where it has none. */
  versionOf(instance: string, datacenter: string): string;
  close(): Promise<void>;
}

const READY_WITHIN_MS = 5_000;

/**
 * Opens a client of the service. A service without instances is no error here: the call ends as it would in any client.
 */
export async function openServiceClient(service: string, flags: MethodFlags, io: CommandIo): Promise<ServiceClient> {
  const creds = await channelCredentials(flags);
  const watched = await watchService({ service, options: defined({ policy: flags.policy }) }, flags, io);
  const { graylane } = watched;
  const client = new Client(graylane.target(service), creds, graylane.clientOptions());
  const close = async (): Promise<void> => {
    client.close();
    await watched.close();
  };
  try {
    await orInterrupted(graylane.ready(service, { timeoutMs: READY_WITHIN_MS }), io);
  } catch (error) {
    if (!GraylaneError.is(error)) {
      await close();
      throw error;
    }
    io.note(`${io.colors.yellow('note')} ${error.message}`);
  }
  return { graylane, client, versionOf: versions(watched), close };
}

/** Does not wait for the work after an interrupt. Throws a CommandError then. */
export async function orInterrupted<T>(work: Promise<T>, { interrupted }: CommandIo): Promise<T> {
  // It may fail when nobody waits for it any more.
  work.catch(() => {});
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new CommandError(1, 'interrupted'));
    interrupted.addEventListener('abort', stop);
    if (interrupted.aborted) stop();
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    interrupted.removeEventListener('abort', stop);
  }
}

function versions(watched: WatchedService): ServiceClient['versionOf'] {
  let known: { readonly snapshot: Snapshot; readonly versions: ReadonlyMap<string, string> } | undefined;
  return (instance, datacenter) => {
    const { snapshot } = watched;
    if (known?.snapshot !== snapshot) {
      const all = instancesOf(snapshot.instances).map(
        (each) => [`${each.datacenter}/${each.id}`, each.meta['version'] ?? ''] as const,
      );
      known = { snapshot, versions: new Map(all) };
    }
    return known.versions.get(`${datacenter}/${instance}`) ?? '';
  };
}

async function channelCredentials({ tls, caFile, certFile, keyFile }: MethodFlags): Promise<ChannelCredentials> {
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new CommandError(2, '--cert-file and --key-file: one without the other (expected: both)');
  }
  if (tls !== true && caFile === undefined && certFile === undefined) return credentials.createInsecure();
  const [ca, key, cert] = await Promise.all([
    pem('--ca-file', caFile),
    pem('--key-file', keyFile),
    pem('--cert-file', certFile),
  ]);
  return credentials.createSsl(ca, key, cert);
}

async function pem(flag: string, file: string | undefined): Promise<Buffer | null> {
  if (file === undefined) return null;
  let material: Buffer;
  try {
    material = await readFile(file);
  } catch (error) {
    throw new CommandError(2, `${flag}: ${file}: ${codeOf(error)} (expected: a PEM file that can be read)`);
  }
  if (material.includes('-----BEGIN ')) return material;
  // OpenSSL would take it for no certificate at all.
  throw new CommandError(2, `${flag}: ${file}: no PEM in it (expected: a block that begins with -----BEGIN)`);
}

/** What `call` and `load` have in common: the method, the request, and how the service is reached. */
export interface MethodFlags extends ConsulFlags {
  /** JSON, or `-` for standard input. */
  readonly data?: string;
  readonly proto?: readonly string[];
  readonly include?: readonly string[];
  readonly policy?: PolicySourceName;
  /** Of one call. */
  readonly timeout: number;
  readonly tls?: boolean;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}
