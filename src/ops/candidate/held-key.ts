import { type Candidate, candidateKey, decodeCandidate, encodeCandidate, encodeEnded } from '../../base/candidate';
import { sleep } from '../../base/sleep';
import type { ConsulClient } from '../../consul/client';
import { type KvReading, readKvAnswer } from '../../consul/kv-entry';
import type { Lease } from '../rollout/lease';
import { inDatacenter, transact, unavailable } from '../store/kv';

const TIME_LIMIT_MS = 5_000;

/** Where the candidate of a service stands. */
export interface CandidatePlace {
  readonly client: ConsulClient;
  readonly service: string;
  /** Undefined: the agent's own. */
  readonly datacenter: string | undefined;
}

/** A candidate that a command holds now; undefined: there is none. Throws POLICY_UNAVAILABLE. */
async function readCandidate(
  place: CandidatePlace,
): Promise<{ readonly candidate: Candidate; readonly session: string } | undefined> {
  const key = candidateKey(place.service);
  const entry = await readKey(place, key);
  if (entry.kind === 'error') throw unavailable(key, entry.reason);
  if (entry.kind === 'absent' || entry.session === '') return undefined;
  const candidate = decodeCandidate(entry.text);
  const isThere = !('problem' in candidate) && candidate.untilMs > Date.now();
  return isThere ? { candidate, session: entry.session } : undefined;
}

/**
 * Whether clients may hear late of a candidate, since nothing has ever stood there: a query on an absent key rests after
 * it was woken in vain. Throws POLICY_UNAVAILABLE.
 */
export async function isFirstCandidate(place: CandidatePlace): Promise<boolean> {
  return (await readKey(place, candidateKey(place.service))).kind === 'absent';
}

/** Ends this candidate, whoever holds it: its command sees it. Throws POLICY_UNAVAILABLE. */
export async function endCandidate(
  { client, service, datacenter }: CandidatePlace,
  candidate: Candidate,
): Promise<void> {
  const key = candidateKey(service);
  const outcome = await transact(client, datacenter, [{ verb: 'set', key, value: encodeEnded(candidate) }]);
  if (outcome.kind !== 'done') throw unavailable(key, outcome.reason);
}

/** ModifyIndex of the policy; undefined: there is none. Throws POLICY_UNAVAILABLE. */
export async function policyIndex(place: CandidatePlace): Promise<string | undefined> {
  const key = `graylane/policies/${place.service}`;
  const entry = await readKey(place, key);
  if (entry.kind === 'error') throw unavailable(key, entry.reason);
  return entry.kind === 'entry' ? entry.index : undefined;
}

async function readKey({ client, datacenter }: CandidatePlace, key: string): Promise<KvReading> {
  const query = inDatacenter(datacenter);
  const answer = await client.get({ path: '/kv/{key}', params: { key }, query, timeLimitMs: TIME_LIMIT_MS });
  return answer.kind === 'failure' ? { kind: 'error', reason: answer.reason } : readKvAnswer(answer, key);
}

/** The candidate of one service as this command holds it: written under the lock of its session. */
export class HeldKey {
  readonly #place: CandidatePlace;
  readonly #lease: Lease;
  #session: string | undefined;
  #written: Candidate | undefined;
  /** ModifyIndex that the last write gave it. */
  #index: string | undefined;

  constructor(place: CandidatePlace, lease: Lease) {
    this.#place = place;
    this.#lease = lease;
  }

  /**
   * Writes it. Resolves to the candidate of another command that has the key; undefined: it was written. Throws
   * POLICY_UNAVAILABLE when Consul does not take it, or has ended the session.
   */
  async write(candidate: Candidate): Promise<Candidate | undefined> {
    const { client, service, datacenter } = this.#place;
    const key = candidateKey(service);
    await this.#lease.tried;
    const { session, problem } = this.#lease;
    if (session === undefined) throw unavailable(key, problem ?? 'no session');
    // What was written last must still stand there: another command may have ended it.
    const unchanged = this.#index === undefined ? [] : [{ verb: 'check-index', key, index: this.#index } as const];
    const value = encodeCandidate(candidate);
    const outcome = await transact(client, datacenter, [...unchanged, { verb: 'lock', key, session, value }]);
    if (outcome.kind === 'done') {
      this.#session = session;
      this.#written = candidate;
      this.#index = outcome.pairs.at(-1)?.modifyIndex;
      return undefined;
    }
    const other = outcome.kind === 'conflict' ? await readCandidate(this.#place) : undefined;
    if (other === undefined || other.session === session) {
      throw unavailable(key, outcome.kind === 'conflict' ? 'it was changed from elsewhere' : outcome.reason);
    }
    return other.candidate;
  }

  /** Whether clients still see it as held by this command. Throws POLICY_UNAVAILABLE. */
  async isHeld(): Promise<boolean> {
    const held = await readCandidate(this.#place);
    return held?.session === this.#session && held?.candidate.id === this.#written?.id;
  }

  /** Ends it, if it is still this command's. Never rejects: the session's end does the same. */
  async end(): Promise<void> {
    const [session, written] = [this.#session, this.#written];
    if (session === undefined || written === undefined) return;
    this.#session = undefined;
    const { client, service, datacenter } = this.#place;
    const key = candidateKey(service);
    for (let tries = 0; tries < 3; tries += 1) {
      const outcome = await transact(client, datacenter, [
        { verb: 'check-session', key, session },
        { verb: 'set', key, value: encodeEnded(written) },
      ]);
      if (outcome.kind !== 'unknown') return;
      await sleep(200);
    }
  }
}
