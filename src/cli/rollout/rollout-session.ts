import { createRolloutStore, type RolloutStore, type StoredRollout } from '../../ops/rollout/store';
import { createPolicyStore, findAuthor, type PolicyStore } from '../../ops/store/policy-store';
import { CommandError } from '../command-error';
import { type ConsulConnection, type ConsulFlags, connectConsul } from '../consul/consul-connection';
import type { CommandIo } from '../io';

/** What rollout commands take besides their own. */
export interface RolloutFlags extends Omit<ConsulFlags, 'dc'> {
  readonly json?: boolean;
}

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
  const connection = await connectConsul(flags, io);
  const { client } = connection;
  try {
    return await work({
      connection,
      policies: createPolicyStore({ client }),
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
