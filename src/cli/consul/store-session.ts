import { GraylaneError } from '../../base/errors';
import type { StoredEntry, StoredPolicy } from '../../ops/store/history';
import { createPolicyStore, findAuthor, type PolicyStore } from '../../ops/store/policy-store';
import { CommandError } from '../command-error';
import type { CommandIo } from '../io';
import { type ConsulConnection, type ConsulFlags, connectConsul } from './consul-connection';

/** The store of policies, opened for one command. */
export interface StoreSession {
  readonly connection: ConsulConnection;
  readonly store: PolicyStore;
  /** What `--dc` names. */
  readonly datacenters: readonly (string | undefined)[];
  /** Who the token is; asked for when there is something to write. */
  author(): Promise<string>;
}

/** What one datacenter said. */
export type Reading =
  | { readonly datacenter: string | undefined; readonly stored: StoredPolicy }
  | { readonly datacenter: string | undefined; readonly failure: string };

/** Runs `work` with the store open, and closes it whatever happens. */
export async function withStore<T>(
  flags: ConsulFlags,
  io: CommandIo,
  work: (session: StoreSession) => Promise<T>,
): Promise<T> {
  const connection = await connectConsul(flags, io);
  try {
    const { client } = connection;
    const datacenters = await connection.datacenters();
    let author: Promise<string> | undefined;
    return await work({
      connection,
      store: createPolicyStore({ client }),
      datacenters,
      author: () => {
        author ??= findAuthor(client);
        return author;
      },
    });
  } finally {
    connection.close();
  }
}

/** Reads a service's policy in every datacenter asked for. Throws a CommandError when none of them answers. */
export async function readAll(
  { store, datacenters, connection }: Pick<StoreSession, 'store' | 'datacenters' | 'connection'>,
  service: string,
): Promise<Reading[]> {
  const readings = await Promise.all(
    datacenters.map(async (datacenter): Promise<Reading> => {
      try {
        return { datacenter, stored: await store.read(service, datacenter) };
      } catch (error) {
        if (!GraylaneError.is(error)) throw error;
        return { datacenter, failure: error.message };
      }
    }),
  );
  const failures = readings.filter((reading) => 'failure' in reading);
  if (failures.length === readings.length) {
    const reasons = failures.map(({ datacenter, failure }) =>
      datacenter === undefined ? failure : `${datacenter}: ${failure}`,
    );
    throw new CommandError(
      2,
      `Consul at ${connection.address}: ${reasons.join(', ')}`,
      'check --consul, CONSUL_HTTP_ADDR and what the ACL token permits',
    );
  }
  return readings;
}

/** As messages name it. */
export function nameOf(datacenter: string | undefined): string {
  return datacenter ?? 'local';
}

/** `7`, the number in the log, or the first digits (four or more) of a revision; the newest of several. */
export function findRevision(stored: StoredPolicy, revision: string): StoredEntry {
  const byNumber = stored.history.find(({ number }) => String(number) === revision);
  const isPrefix = /^[0-9a-f]{4,}$/.test(revision);
  const found =
    byNumber ??
    (isPrefix ? stored.history.findLast(({ entry }) => entry?.revision?.startsWith(revision) === true) : undefined);
  if (found === undefined) {
    const numbers = stored.history.map(({ number }) => number);
    const kept = numbers.length === 0 ? 'there is no history' : `${numbers[0]} to ${numbers.at(-1)} are kept`;
    throw new CommandError(
      1,
      `${stored.service} has no revision ${revision}; ${kept}`,
      `run graylane policy log ${stored.service}`,
    );
  }
  return found;
}
