import { readFile } from 'node:fs/promises';
import { type ChannelCredentials, Client, credentials } from '@grpc/grpc-js';
import { GraylaneError } from '../../base/errors';
import type { Graylane } from '../../client/api';
import { instancesOf, type Snapshot } from '../../policy/membership/snapshot';
import { CommandError } from '../command-error';
import { type WatchedService, watchService } from '../consul/watched-service';
import type { CommandIo } from '../io';
import type { MethodFlags } from './call';

/** A client of one service, over a Graylane client of its own. */
export interface ServiceClient {
  readonly graylane: Graylane;
  readonly client: Client;
  /** Of an instance, by its meta `version`; empty where it has none. */
  versionOf(instance: string, datacenter: string): string;
  close(): Promise<void>;
}

const READY_WITHIN_MS = 5_000;

/** Opens it. A service that nobody serves is no error yet: what a call then ends with is what a client would see. */
export async function openServiceClient(service: string, flags: MethodFlags, io: CommandIo): Promise<ServiceClient> {
  const creds = await channelCredentials(flags);
  const options = flags.policy === undefined ? {} : { policy: flags.policy };
  const watched = await watchService({ service, options }, flags, io);
  const { graylane } = watched;
  const client = new Client(graylane.target(service), creds, graylane.clientOptions());
  try {
    await graylane.ready(service, { timeoutMs: READY_WITHIN_MS });
  } catch (error) {
    if (!GraylaneError.is(error)) throw error;
    io.note(`${io.colors.yellow('note')} ${error.message}`);
  }
  return {
    graylane,
    client,
    versionOf: versions(watched),
    async close() {
      client.close();
      await watched.close();
    },
  };
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
  try {
    return await readFile(file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'cannot be read';
    throw new CommandError(2, `${flag}: ${file}: ${code} (expected: a PEM file that can be read)`);
  }
}
