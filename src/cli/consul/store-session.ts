import { GraylaneError } from '../../base/errors';
import { createRolloutStore, type RolloutStore, type StoredRollout } from '../../ops/rollout/store';
import type { StoredEntry, StoredPolicy } from '../../ops/store/history';
import { createPolicyStore, findAuthor, type PolicyStore } from '../../ops/store/policy-store';
import { CommandError } from '../command';
import type { CommandIo } from '../io';
import { type ConsulConnection, type ConsulFlags, connectConsul, readSigning } from './consul-connection';

/** The policy store, open for one command. */
export interface StoreSession {
  readonly connection: ConsulConnection;
  readonly store: PolicyStore;
  /** What `--dc` names. */
  readonly datacenters: readonly (string | undefined)[];
  /** Name of the token's owner; asked for when there is something to write. */
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
  const signing = await readSigning(flags, io);
  const connection = await connectConsul(flags, io);
  try {
    const { client } = connection;
    const datacenters = await connection.datacenters();
    let author: Promise<string> | undefined;
    return await work({
      connection,
      store: createPolicyStore({ client, signing }),
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

/** What the datacenters that answered have. Notes the failures of the others, and sets exit code 1 for them. */
export function answeredOf(readings: readonly Reading[], io: CommandIo): readonly StoredPolicy[] {
  return readings.flatMap((reading) => {
    if ('stored' in reading) return [reading.stored];
    io.exitCode = 1;
    io.note(`graylane: ${nameOf(reading.datacenter)}: ${reading.failure}`);
    return [];
  });
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

/** What rollout commands take besides their own. */
export interface RolloutFlags extends Omit<ConsulFlags, 'dc'> {}

/** Rollouts and policies of the agent's datacenter, opened for one command. */
export interface RolloutSession {
  readonly connection: ConsulConnection;
  readonly policies: PolicyStore;
  readonly rollouts: RolloutStore;
  author(): Promise<string>;
}

/** Runs `work` with both stores open, and closes them whatever happens. */
export async function withRollouts<T>(
  flags: RolloutFlags,
  io: CommandIo,
  work: (session: RolloutSession) => Promise<T>,
): Promise<T> {
  const signing = await readSigning(flags, io);
  const connection = await connectConsul(flags, io);
  const { client } = connection;
  try {
    return await work({
      connection,
      policies: createPolicyStore({ client, signing }),
      rollouts: createRolloutStore(client),
      author: () => findAuthor(client),
    });
  } finally {
    connection.close();
  }
}

/** Throws a CommandError when the service has none. */
export async function readRollout(
  { rollouts }: RolloutSession,
  service: string,
): Promise<StoredRollout & { readonly record: NonNullable<StoredRollout['record']> }> {
  const stored = await rollouts.read(service);
  if (stored.record === undefined) throw noRollout(service);
  return { ...stored, record: stored.record };
}

export function noRollout(service: string): CommandError {
  return new CommandError(1, `${service} has no rollout`, `run graylane rollout start ${service} --file rollout.yaml`);
}

const AT_ONCE = 8;

/** Runs `work` for each item, a few at a time, so that a hundred services do not open a hundred connections. */
export async function inSlices<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))));
  }
  return results;
}
