import { nameOf } from '../consul/store-session';
import type { Standing } from './standing';

/** A Graylane client in a process, as Prometheus or the process itself tells of it. */
export interface Sighting {
  /** `job/instance` of Prometheus, or the address that was asked. */
  readonly process: string;
  readonly client: string | undefined;
  /** As metrics name it: `payments`, or `payments?dc=dc2`. */
  readonly service: string;
  /** Consul index of the policy in force; 0: none of Consul's. */
  readonly index: number;
  /** Of the last one refused; 0: none. */
  readonly rejectedIndex: number;
  /** `none`: it goes by no policy. */
  readonly revision: string;
  /** What was wrong with the one refused, where that is told. */
  readonly refusal?: string;
  /** What the policy in force asks for and cannot have there, where that is told. */
  readonly shortfall?: string;
  /** Why it may not have heard of the newest. */
  readonly trouble?: { readonly reason: 'stale' | 'silent' | 'unreachable'; readonly details: string };
  /** Whose instances it watches; empty where that is not told. */
  readonly watches: readonly string[];
  /** Of what is said above. Milliseconds; 0 when it was asked just now. */
  readonly ageMs: number;
}

/**
 * `rejected`: it refused the newest. `stale`: what it knows is old. `silent`: it has never heard from Consul. `unreachable`:
 * it cannot be asked. `late`: nothing speaks against it, and yet it has another one; mostly it was looked at too early.
 */
type BehindReason = 'rejected' | 'stale' | 'silent' | 'unreachable' | 'late';

export interface Member extends Sighting {
  /** `own`: its policy is not from Consul's KV store but from code, a file or config entries. */
  readonly state: 'follows' | 'own' | 'behind';
  /** Whose policy it reads, where that can be told. */
  readonly datacenter: string | undefined;
  /** Of its policy in that datacenter's history. */
  readonly number: number | undefined;
  readonly reason?: BehindReason;
  readonly why?: string;
}

/** A datacenter that was not named is the one of the agent, and asked about. */
const OWN = nameOf(undefined);

/** Undefined: it goes by the policy of a datacenter that was not asked about. Pure. */
export function judge(sighting: Sighting, standings: readonly Standing[]): Member | undefined {
  const { index, revision } = sighting;
  if (sighting.trouble?.reason === 'unreachable') return behind(sighting, standings, sighting.trouble.reason);
  if (index === 0 && revision !== 'none') return own(sighting, 'a policy of its own, not from the KV store');
  const current = standings.find((standing) => isCurrent(sighting, standing));
  // To have heard nothing is not to have heard that there is none.
  const isHeard = revision !== 'none' || sighting.trouble?.reason !== 'silent';
  if (current !== undefined && isHeard) {
    const { datacenter, number, isWanted } = current;
    const why = sighting.shortfall === undefined ? {} : { why: sighting.shortfall };
    return isWanted ? { ...sighting, state: 'follows', datacenter, number, ...why } : undefined;
  }
  const isStored = standings.some((standing) => standing.index > 0 || standing.history.length > 0);
  if (index > 0 && !isStored) return own(sighting, 'not from the KV store: it has none, and no history of one');
  return behind(sighting, standings, undefined);
}

function isCurrent({ index, revision, watches }: Sighting, standing: Standing): boolean {
  if (revision === 'none') {
    // No index tells whose policy it has none of.
    const isItsOwn = watches.length === 0 || standing.datacenter === OWN || watches.includes(standing.datacenter);
    // A tombstone is a policy in Consul and none to a process.
    return standing.revision === 'none' && isItsOwn;
  }
  return index === standing.index && revision === standing.revision;
}

function own(sighting: Sighting, why: string): Member {
  return { ...sighting, state: 'own', datacenter: undefined, number: undefined, why };
}

function behind(
  sighting: Sighting,
  standings: readonly Standing[],
  given: BehindReason | undefined,
): Member | undefined {
  const { index, rejectedIndex, trouble, refusal } = sighting;
  const refusing = standings.find((standing) => rejectedIndex > 0 && standing.index === rejectedIndex);
  const reading =
    refusing ?? standings.find(({ history }) => history.some((entry) => index > 0 && entry.index === index));
  if (reading?.isWanted === false) return undefined;
  const number = reading?.history.find((entry) => entry.index === index)?.number;
  const at = { ...sighting, state: 'behind' as const, datacenter: reading?.datacenter, number };
  if (given === undefined && refusing !== undefined) {
    const which = refusing.number === undefined ? `index ${refusing.index}` : `number ${refusing.number}`;
    const why = refusal === undefined ? 'what is wrong stands in its log and its inspect()' : refusal;
    return { ...at, reason: 'rejected', why: `refused ${which}: ${why}` };
  }
  const distance = describeDistance(sighting, reading, number);
  if (trouble !== undefined) return { ...at, reason: given ?? trouble.reason, why: `${trouble.details}; ${distance}` };
  return { ...at, reason: 'late', why: distance };
}

function describeDistance({ index, revision }: Sighting, reading: Standing | undefined, number?: number): string {
  if (reading?.index === 0) return 'goes by one that was deleted';
  if (revision === 'none') return 'goes by no policy';
  if (number === undefined) return `goes by index ${index}, which is in no history`;
  const changes = reading?.number === undefined ? undefined : reading.number - number;
  if (changes === undefined || changes < 1) return `goes by number ${number}`;
  return `${changes === 1 ? '1 change' : `${changes} changes`} behind`;
}
