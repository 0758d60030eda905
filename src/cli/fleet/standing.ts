import type { StoredPolicy } from '../../ops/store/history';
import { createPolicyStore } from '../../ops/store/policy-store';
import { compilePolicy } from '../../policy/compile';
import { PolicyError } from '../../policy/policy-error';
import { CommandError } from '../command-error';
import type { ConsulConnection } from '../consul/consul-connection';
import { nameOf, readAll } from '../consul/store-session';

/** The policy of a service as one datacenter's Consul has it. */
export interface Standing {
  readonly datacenter: string;
  /** Whether processes that go by it are asked about. */
  readonly isWanted: boolean;
  /** Consul's; 0: there is no policy. Beyond 2^53 as near as a number comes, like the gauge that it is compared with. */
  readonly index: number;
  /** `none` without a policy; undefined when what stands there is not valid, so that everybody refuses it. */
  readonly revision: string | undefined;
  /** Number in the history; undefined when it was written past it. */
  readonly number: number | undefined;
  /** Oldest first, with the index that the policy had while the entry was the newest. */
  readonly history: readonly { readonly number: number; readonly index: number }[];
}

export interface Standings {
  /** The wanted ones first. */
  readonly known: readonly Standing[];
  /** Of datacenters that are wanted and did not answer, each as a sentence. */
  readonly failures: readonly string[];
}

/**
 * Reads them everywhere, since a process that follows another datacenter's policy is to be told from one that is behind.
 * Throws a CommandError when none of the wanted answers.
 */
export async function readStandings(
  connection: ConsulConnection,
  service: string,
  wanted: readonly (string | undefined)[],
): Promise<Standings> {
  const store = createPolicyStore({ client: connection.client });
  const others = (await elsewhere(connection)).filter((name) => !wanted.includes(name));
  const [asked, unasked] = await Promise.all([
    readAll({ store, connection, datacenters: wanted }, service),
    Promise.all(others.map((datacenter) => store.read(service, datacenter).catch(() => undefined))),
  ]);
  return {
    known: [
      ...asked.flatMap((reading) => ('stored' in reading ? [standingOf(reading.stored, true)] : [])),
      ...unasked.flatMap((stored) => (stored === undefined ? [] : [standingOf(stored, false)])),
    ],
    failures: asked.flatMap((reading) =>
      'failure' in reading ? [`${nameOf(reading.datacenter)}: ${reading.failure}`] : [],
    ),
  };
}

async function elsewhere(connection: ConsulConnection): Promise<readonly string[]> {
  try {
    return await connection.everywhere();
  } catch (error) {
    // Only those asked for can be told apart then.
    if (error instanceof CommandError) return [];
    throw error;
  }
}

function standingOf({ service, datacenter, policy, history }: StoredPolicy, isWanted: boolean): Standing {
  const index = Number(policy?.index ?? 0);
  const numbered = history.map(({ number, modifyIndex }) => ({ number, index: Number(modifyIndex) }));
  return {
    datacenter: nameOf(datacenter),
    isWanted,
    index,
    revision: policy === undefined ? 'none' : revisionOf(service, policy.text),
    number: numbered.find((entry) => entry.index === index)?.number,
    history: numbered,
  };
}

function revisionOf(service: string, text: string): string | undefined {
  try {
    return compilePolicy({ content: text, format: 'json' }, { service, origin: 'kv' }).revision;
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
}
