import type { StoredPolicy } from '../../ops/store/history';
import { createPolicyStore } from '../../ops/store/policy-store';
import { compileStored } from '../../ops/store/policy-text';
import { PolicyError } from '../../policy/policy-error';
import { revisionOf } from '../../policy/revision';
import { orNone } from '../command';
import type { ConsulConnection } from '../consul/consul-connection';
import { nameOf, readAll } from '../consul/store-session';
import { counted } from '../describe';

/** A Graylane client in a process, as Prometheus or the process itself describes it. */
export interface ClientStatus {
  /** `job/instance` of Prometheus, or the address that was asked. */
  readonly process: string;
  readonly client: string | undefined;
  /** As metrics name it: `payments`, or `payments?dc=dc2`. */
  readonly service: string;
  /** Consul index of the policy in force; 0: none of Consul's. */
  readonly index: number;
  /** Of the last one refused; 0: none. */
  readonly rejectedIndex: number;
  /** `none` without a policy. */
  readonly revision: string;
  /** The problem of the refused policy, where it is known. */
  readonly refusal?: string;
  /** What the policy in force asks for and cannot get in that process, where it is known. */
  readonly shortfall?: string;
  /** Why the process may not have the newest policy. */
  readonly trouble?: { readonly reason: 'stale' | 'silent' | 'unreachable'; readonly details: string };
  /** Datacenters whose instances it watches; empty where that is unknown. */
  readonly watches: readonly string[];
  /** Of what is said above. Milliseconds; 0 when it was asked just now. */
  readonly ageMs: number;
}

/**
 * `rejected`: it refused the newest policy. `stale`: its data is old. `silent`: it has had no answer from Consul.
 * `unreachable`: it does not answer. `late`: no problem is known, and it has another policy; mostly it was looked at
 * too early.
 */
type BehindReason = 'rejected' | 'stale' | 'silent' | 'unreachable' | 'late';

export interface Member extends ClientStatus {
  /**
   * `own`: its policy is not from Consul's KV store but from code, a file or config entries. `candidate`: it goes by the
   * policy that comes by degrees.
   */
  readonly state: 'follows' | 'candidate' | 'own' | 'behind';
  /** Datacenter whose policy it reads, where that is known. */
  readonly datacenter: string | undefined;
  /** Of its policy in that datacenter's history. */
  readonly number: number | undefined;
  readonly reason?: BehindReason;
  readonly why?: string;
}

/** The agent's own datacenter, when none was named. */
const OWN = nameOf(undefined);

/**
 * Compares a client with the stored policies. Undefined when it reads the policy of a datacenter that was not asked
 * about. Pure.
 */
export function judge(client: ClientStatus, statuses: readonly PolicyStatus[]): Member | undefined {
  const { index, revision } = client;
  if (client.trouble?.reason === 'unreachable') return behind(client, statuses, client.trouble.reason);
  if (index === 0 && revision !== 'none') return own(client, 'a policy of its own, not from the KV store');
  const current = statuses.find((status) => isCurrent(client, status));
  const ofCandidate = statuses.find(({ candidate }) => candidate !== undefined && candidate.revision === revision);
  if (current === undefined && ofCandidate?.candidate !== undefined) {
    const { percent, by } = ofCandidate.candidate;
    const why = `first in ${percent} % of the clients, by ${by}`;
    const at = { ...client, state: 'candidate' as const, datacenter: ofCandidate.datacenter, number: undefined, why };
    return ofCandidate.isWanted ? at : undefined;
  }
  // A client without an answer does not know that there is no policy.
  const isHeard = revision !== 'none' || client.trouble?.reason !== 'silent';
  if (current !== undefined && isHeard) {
    const { datacenter, number, isWanted } = current;
    const why = client.shortfall === undefined ? {} : { why: client.shortfall };
    return isWanted ? { ...client, state: 'follows', datacenter, number, ...why } : undefined;
  }
  const isStored = statuses.some((status) => status.index > 0 || status.history.length > 0);
  if (index > 0 && !isStored) return own(client, 'not from the KV store: it has none, and no history of one');
  return behind(client, statuses, undefined);
}

function isCurrent({ index, revision, watches }: ClientStatus, status: PolicyStatus): boolean {
  if (revision === 'none') {
    // A client without a policy names no index, so the datacenters that it watches decide.
    const isItsOwn = watches.length === 0 || status.datacenter === OWN || watches.includes(status.datacenter);
    // A tombstone is a policy in Consul and none to a process.
    return status.revision === 'none' && isItsOwn;
  }
  return index === status.index && revision === status.revision;
}

function own(client: ClientStatus, why: string): Member {
  return { ...client, state: 'own', datacenter: undefined, number: undefined, why };
}

function behind(
  client: ClientStatus,
  statuses: readonly PolicyStatus[],
  given: BehindReason | undefined,
): Member | undefined {
  const { index, rejectedIndex, trouble, refusal } = client;
  const refusing = statuses.find((status) => rejectedIndex > 0 && status.index === rejectedIndex);
  const reading =
    refusing ?? statuses.find(({ history }) => history.some((entry) => index > 0 && entry.index === index));
  if (reading?.isWanted === false) return undefined;
  const number = reading?.history.find((entry) => entry.index === index)?.number;
  const at = { ...client, state: 'behind' as const, datacenter: reading?.datacenter, number };
  if (given === undefined && refusing !== undefined) {
    const which = refusing.number === undefined ? `index ${refusing.index}` : `number ${refusing.number}`;
    const why = refusal ?? 'what is wrong stands in its log and its inspect()';
    return { ...at, reason: 'rejected', why: `refused ${which}: ${why}` };
  }
  const distance = describeDistance(client, reading, number);
  if (trouble !== undefined) return { ...at, reason: given ?? trouble.reason, why: `${trouble.details}; ${distance}` };
  return { ...at, reason: 'late', why: distance };
}

function describeDistance({ index, revision }: ClientStatus, reading?: PolicyStatus, number?: number): string {
  if (reading?.index === 0) return 'goes by one that was deleted';
  if (revision === 'none') return 'goes by no policy';
  if (number === undefined) return `goes by index ${index}, which is in no history`;
  const changes = reading?.number === undefined ? undefined : reading.number - number;
  if (changes === undefined || changes < 1) return `goes by number ${number}`;
  return `${counted(changes, 'change')} behind`;
}

/** The policy of a service as one datacenter's Consul has it. */
export interface PolicyStatus {
  readonly datacenter: string;
  /** Whether processes that go by it are asked about. */
  readonly isWanted: boolean;
  /**
   * Index in Consul; 0: there is no policy. Above 2^53 it is rounded, like the gauge that it is compared with.
   */
  readonly index: number;
  /** `none` without a policy; undefined when the stored policy is invalid, so that every process refuses it. */
  readonly revision: string | undefined;
  /** Number in the history; undefined when it was written past it. */
  readonly number: number | undefined;
  /** The policy that comes by degrees; undefined: none does. */
  readonly candidate: { readonly revision: string; readonly percent: number; readonly by: string } | undefined;
  /** Oldest first, with the index that the policy had while the entry was the newest. */
  readonly history: readonly { readonly number: number; readonly index: number }[];
}

/**
 * Reads the policy in every datacenter, because a process may follow another datacenter's policy without being behind.
 * `known`: the wanted ones first. `failures`: a sentence for each wanted datacenter that did not answer. Throws a
 * CommandError when none of them answers.
 */
export async function readPolicyStatuses(
  connection: ConsulConnection,
  service: string,
  wanted: readonly (string | undefined)[],
): Promise<{ readonly known: readonly PolicyStatus[]; readonly failures: readonly string[] }> {
  const policies = createPolicyStore({ client: connection.client });
  // Without an answer only the datacenters that were asked for are known.
  const known = (await orNone(connection.everywhere())) ?? [];
  const others = known.filter((name) => !wanted.includes(name));
  const [asked, unasked] = await Promise.all([
    readAll({ policies, connection, datacenters: wanted }, service),
    Promise.all(others.map((datacenter) => policies.read(service, datacenter).catch(() => undefined))),
  ]);
  return {
    known: [
      ...asked.flatMap((reading) => ('stored' in reading ? [policyStatusOf(reading.stored, true)] : [])),
      ...unasked.flatMap((stored) => (stored === undefined ? [] : [policyStatusOf(stored, false)])),
    ],
    failures: asked.flatMap((reading) =>
      'failure' in reading ? [`${nameOf(reading.datacenter)}: ${reading.failure}`] : [],
    ),
  };
}

function policyStatusOf(stored: StoredPolicy, isWanted: boolean): PolicyStatus {
  const { service, datacenter, policy, history } = stored;
  const compiled = policy === undefined ? undefined : compileStored(service, policy.text);
  const index = Number(policy?.index ?? 0);
  const numbered = history.map(({ number, modifyIndex }) => ({ number, index: Number(modifyIndex) }));
  const revision = compiled instanceof PolicyError ? undefined : (compiled?.revision ?? 'none');
  const number = numbered.find((entry) => entry.index === index)?.number;
  const candidate = candidateOf(stored);
  return { datacenter: nameOf(datacenter), isWanted, index, revision, number, candidate, history: numbered };
}

function candidateOf({ candidate }: StoredPolicy): PolicyStatus['candidate'] {
  if (candidate?.kind !== 'gradual' || candidate.untilMs <= Date.now()) return undefined;
  const { document, percent, by } = candidate;
  return { revision: revisionOf(document), percent, by };
}
