import { GraylaneError } from '../../base/errors';
import { createRolloutStore, type RolloutStore, type StoredRollout } from '../../ops/rollout/store';
import { createWavesStore, type WavesStore } from '../../ops/rollout/waves/record';
import type { StoredEntry, StoredPolicy } from '../../ops/store/history';
import { checkMayRead } from '../../ops/store/kv';
import { createPolicyStore, findAuthor, type PolicyStore } from '../../ops/store/policy-store';
import { CommandError } from '../command';
import { didYouMean } from '../describe';
import type { CommandIo } from '../io';
import { type ConsulConnection, type ConsulFlags, readSigning, withConsul } from './consul-connection';
import { readServiceNames } from './instances-now';
import { consulNextStep } from './next-step';

/** The stores of policies and rollouts, open for one command. */
export interface StoreSession {
  readonly connection: ConsulConnection;
  readonly policies: PolicyStore;
  /** Of the first datacenter that `--dc` names; the agent's own without it. */
  readonly rollouts: RolloutStore;
  rolloutsIn(datacenter: string | undefined): RolloutStore;
  /** Of the agent's own datacenter. */
  readonly waves: WavesStore;
  /** What `--dc` names. */
  readonly datacenters: readonly (string | undefined)[];
  /** Name of the token's owner; asked for when there is something to write. */
  author(): Promise<string>;
}

/**
 * A service has no policy, no history or no rollout, or there is no such service: `withStore` then names the one that
 * was most likely meant, in place of `nextStep`.
 */
export class ServiceHasNone extends CommandError {
  readonly service: string;
  readonly datacenter: string | undefined;

  constructor(service: string, datacenter: string | undefined, message: string, nextStep?: string) {
    super(1, message, nextStep);
    this.service = service;
    this.datacenter = datacenter;
  }
}

/** `did you mean payments?`, of those that have a policy or are registered; else `otherwise`. */
export async function meantService<T extends string | undefined>(
  service: string,
  datacenter: string | undefined,
  { policies, connection }: Pick<StoreSession, 'policies' | 'connection'>,
  otherwise: T,
): Promise<string | T> {
  const [withPolicy, registered = []] = await Promise.all([
    orFailure(policies.services(datacenter)),
    readServiceNames(connection.client, datacenter),
  ]);
  const names = [...('failure' in withPolicy ? [] : withPolicy), ...registered].filter((name) => name !== service);
  // One that is registered is meant, and has none yet.
  return registered.includes(service) ? otherwise : didYouMean(service, names) || otherwise;
}

/** What one datacenter said. */
export type Reading = Failure | { readonly datacenter: string | undefined; readonly stored: StoredPolicy };

/** Runs `work` with the stores open, and closes them whatever happens. */
export async function withStore<T>(
  flags: ConsulFlags,
  io: CommandIo,
  work: (session: StoreSession) => Promise<T>,
): Promise<T> {
  const signing = await readSigning(flags, io);
  return await withConsul(flags, io, async (connection) => {
    const { client } = connection;
    const datacenters = await connection.datacenters();
    const policies = createPolicyStore({ client, signing });
    let author: Promise<string> | undefined;
    const session: StoreSession = {
      connection,
      policies,
      rollouts: createRolloutStore(client, datacenters[0]),
      rolloutsIn: (datacenter) => createRolloutStore(client, datacenter),
      waves: createWavesStore(client),
      datacenters,
      author: () => {
        author ??= findAuthor(client);
        return author;
      },
    };
    try {
      return await work(session);
    } catch (error) {
      if (!(error instanceof ServiceHasNone)) throw error;
      const { service, message, nextStep } = error;
      throw new CommandError(1, message, await meantService(service, error.datacenter, session, nextStep));
    }
  });
}

/** Reads a service's policy in every datacenter asked for. Throws a CommandError when none of them answers. */
export async function readAll(
  { policies, datacenters, connection }: Pick<StoreSession, 'policies' | 'datacenters' | 'connection'>,
  service: string,
): Promise<Reading[]> {
  const readings = await Promise.all(
    datacenters.map(async (datacenter): Promise<Reading> => {
      const stored = await orFailure(policies.read(service, datacenter));
      return 'failure' in stored ? { datacenter, failure: stored.failure } : { datacenter, stored };
    }),
  );
  const failures = readings.filter((reading) => 'failure' in reading);
  if (failures.length === readings.length) {
    const reasons = failures.map(({ datacenter, failure }) => (datacenter ? `${datacenter}: ${failure}` : failure));
    throw unanswered(connection, reasons);
  }
  return readings;
}

/** The same, and throws also where the token may read no policy: that there is none would not be known. */
export async function readEveryAllowed(
  session: StoreSession,
  datacenter: string | undefined,
): Promise<readonly StoredPolicy[]> {
  const stored = await readEvery(session, datacenter);
  if (stored.length === 0) await checkMayRead(session.connection.client, 'graylane/policies', datacenter);
  return stored;
}

/** Every policy of a datacenter that the token may read. Throws POLICY_UNAVAILABLE. */
export async function readEvery(
  { policies }: StoreSession,
  datacenter: string | undefined,
): Promise<readonly StoredPolicy[]> {
  return inSlices(await policies.services(datacenter), (service) => policies.read(service, datacenter));
}

/** Why the store could not be read, as a value. */
export async function orFailure<T>(reading: Promise<T>): Promise<T | { readonly failure: string }> {
  try {
    return await reading;
  } catch (error) {
    if (GraylaneError.is(error)) return { failure: error.message };
    throw error;
  }
}

/** No datacenter answers. */
export function unanswered({ address }: ConsulConnection, reasons: readonly string[]): CommandError {
  const reason = reasons.join(', ');
  return new CommandError(2, `Consul at ${address}: ${reason}`, consulNextStep(reason));
}

/** What the datacenters that answered have. Notes the failures of the others, and sets exit code 1 for them. */
export function answeredOf(readings: readonly Reading[], io: CommandIo): readonly StoredPolicy[] {
  return readings.flatMap((reading) => {
    if ('stored' in reading) return [reading.stored];
    noteFailure(reading, io);
    return [];
  });
}

export interface Failure {
  readonly datacenter: string | undefined;
  readonly failure: string;
}

/** Tells that a datacenter did not answer, and sets exit code 1. */
export function noteFailure({ datacenter, failure }: Failure, io: CommandIo, service?: string): void {
  io.exitCode = 1;
  io.note(`graylane: ${service === undefined ? '' : `${service} in `}${nameOf(datacenter)}: ${failure}`);
}

/** As messages name it. */
export function nameOf(datacenter: string | undefined): string {
  return datacenter ?? 'local';
}

/** `7`, the number in the log, or the first digits (four or more) of a revision; the newest of several. */
export function findRevision(stored: StoredPolicy, revision: string): StoredEntry {
  const isPrefix = /^[0-9a-f]{4,}$/.test(revision);
  const found =
    stored.history.find(({ number }) => String(number) === revision) ??
    stored.history.findLast(({ entry }) => isPrefix && entry?.revision?.startsWith(revision) === true);
  if (found === undefined) {
    const numbers = stored.history.map(({ number }) => number);
    const kept = numbers.length === 0 ? 'there is no history' : `${numbers[0]} to ${numbers.at(-1)} are kept`;
    const { service, datacenter, history } = stored;
    const message = `${service} has no revision ${revision}; ${kept}`;
    const next = `run graylane policy log ${service}`;
    throw history.length === 0
      ? new ServiceHasNone(service, datacenter, message, next)
      : new CommandError(1, message, next);
  }
  return found;
}

/** Runs `work` for a command of one rollout, which is in one datacenter. Throws a CommandError for several. */
export async function withOneStore<T>(
  flags: ConsulFlags,
  io: CommandIo,
  work: (session: StoreSession) => Promise<T>,
): Promise<T> {
  return await withStore(flags, io, (session) => {
    if (session.datacenters.length === 1) return work(session);
    const message = `--dc: ${session.datacenters.join(', ')} (expected: one datacenter, as a rollout is in one)`;
    throw new CommandError(2, message, 'name one, or write a file for graylane waves start');
  });
}

/** Throws a CommandError when the service has none. */
export async function readRollout(
  { rollouts }: StoreSession,
  service: string,
): Promise<StoredRollout & { readonly record: NonNullable<StoredRollout['record']> }> {
  const stored = await rollouts.read(service);
  if (stored.record === undefined) throw noRollout(service, rollouts.datacenter);
  return { ...stored, record: stored.record };
}

export function noRollout(service: string, datacenter?: string): CommandError {
  const where = datacenter === undefined ? '' : ` in ${datacenter}`;
  const next = `run graylane rollout start ${service} --file rollout.yaml`;
  return new ServiceHasNone(service, datacenter, `${service} has no rollout${where}`, next);
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
