import { hash32, seedOf } from './hash';
import { isRecord } from './is-record';
import { MAX_COLLECTOR_URL, readCollectorKey, readCollectorUrl, readFormat, readReportPace } from './rollout-metrics';

/**
 * A policy that is not in force yet. `trial`: clients decide each call under it too, and obey the policy in force.
 * `gradual`: it is in force in a share of the clients. Written to Consul KV by the command that tries it, locked by
 * its session; read by clients that may report.
 */
export interface Candidate {
  readonly kind: 'trial' | 'gradual';
  /** Another for each run of the command. */
  readonly id: string;
  /** Who runs it. */
  readonly by: string;
  /** It ends by itself. Wall-clock milliseconds. */
  readonly untilMs: number;
  /** ModifyIndex of the policy that it is held against; undefined: there is none. */
  readonly base: string | undefined;
  /** In force in clients whose place is below; 0: in none. */
  readonly below: number;
  /** `below` in percent of clients, for people. */
  readonly percent: number;
  /** Where clients report, as for a rollout; reports go to `<url>/candidates/<service>`. */
  readonly url: string;
  /** What a report must bring, and what values are hashed with. Never logged. */
  readonly key: string;
  /** Time between two reports of a client. */
  readonly everyMs: number;
  /** The policy. Clients validate it as any other. */
  readonly document: object;
}

/** Longest time that a candidate may have, from when it is written. Milliseconds. */
export const MAX_CANDIDATE_MS: number = 24 * 3_600_000;

/** Characters: a document of the longest, and what goes with it. */
const MAX_TEXT = 256 * 1024 + 4 * MAX_COLLECTOR_URL;
const FORMAT = 1;
const NAME = /^[\w-]{8,64}$/;

/** The key that holds the candidate of a service. */
export function candidateKey(service: string): string {
  return `graylane/candidates/${service}`;
}

/** Where a client stands among all, 0 (included) to 1: the same for one run, another for each run. */
export function placeOf(clientId: string, candidateId: string): number {
  return (hash32(clientId, seedOf(candidateId, 'gradual')) >>> 0) / 2 ** 32;
}

export function encodeCandidate({ untilMs, ...rest }: Candidate): string {
  return JSON.stringify({ format: FORMAT, ...rest, until: new Date(untilMs).toISOString() });
}

/**
 * In place of one that has ended. The key stays, since Consul wakes a query on an absent key at every write to others.
 */
export function encodeEnded(candidate: Candidate): string {
  return encodeCandidate({ ...candidate, untilMs: 0, below: 0, percent: 0, document: {} });
}

/** What is wrong is said without what was read: it holds a key. */
export function decodeCandidate(text: string): Candidate | { readonly problem: string } {
  const read = readFormat(text, MAX_TEXT, FORMAT);
  if ('problem' in read) return read;
  const { raw } = read;
  const { kind, id, by, until, base, below, percent, document } = raw;
  if (kind !== 'trial' && kind !== 'gradual') return { problem: 'kind: another (expected: trial or gradual)' };
  if (typeof id !== 'string' || !NAME.test(id)) return { problem: 'id: unusable' };
  if (typeof by !== 'string' || by === '' || by.length > 256) return { problem: 'by: unusable' };
  const untilMs = typeof until === 'string' ? Date.parse(until) : Number.NaN;
  if (!Number.isFinite(untilMs)) return { problem: 'until: unusable (expected: RFC 3339)' };
  if (base !== undefined && !(typeof base === 'string' && /^\d{1,20}$/.test(base)))
    return { problem: 'base: unusable' };
  if (!isShare(below, 1) || !isShare(percent, 100)) return { problem: 'below: unusable (expected: 0 to 1)' };
  const [url, key, everyMs] = [
    readCollectorUrl(raw['url']),
    readCollectorKey(raw['key']),
    readReportPace(raw['everyMs']),
  ];
  if (url === undefined) return { problem: 'url: unusable (expected: http or https, without user and password)' };
  if (key === undefined) return { problem: 'key: unusable' };
  if (everyMs === undefined) return { problem: 'everyMs: unusable' };
  if (!isRecord(document)) return { problem: 'document: none (expected: a policy)' };
  return { kind, id, by, untilMs, base, below, percent, url, key, everyMs, document };
}

function isShare(value: unknown, most: number): value is number {
  return typeof value === 'number' && value >= 0 && value <= most;
}
