import { randomBytes } from 'node:crypto';
import type { Candidate } from '../../base/candidate';
import { hostAndPort } from '../../base/host-and-port';
import { startListener } from '../rollout/collector/listener';
import { openLease, SESSION_TTL_SECONDS } from '../rollout/lease';
import { CandidateCollector } from './collector';
import { type CandidatePlace, HeldKey, isFirstCandidate } from './held-key';

/** A command that has a candidate: it listens for reports, and holds the key that tells clients of it. */
export interface CandidateRun {
  readonly collector: CandidateCollector;
  /** Where it listens. */
  readonly address: string;
  readonly everyMs: number;
  /** The longest time in which a client hears of the first announcement. Milliseconds. */
  readonly heardWithinMs: number;
  /**
   * Tells clients. Resolves to the candidate of another command that has the key. Throws POLICY_UNAVAILABLE.
   */
  announce(state: Pick<Candidate, 'untilMs' | 'below' | 'percent'>): Promise<Candidate | undefined>;
  /** Whether clients still see it. Throws POLICY_UNAVAILABLE. */
  isHeld(): Promise<boolean>;
  /** The candidate ends in every client. Idempotent, never rejects. */
  close(): Promise<void>;
}

export interface CandidateRunOptions extends Pick<Candidate, 'kind' | 'by' | 'document' | 'base' | 'everyMs'> {
  readonly place: CandidatePlace;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Where clients reach it. Default: `http://host:port`, as it listens. */
  readonly advertise?: string;
}

const HEARD_WITHIN_MS = 1_500;
/** Of a query on a key that was absent: it rests up to 10 s after it was woken in vain. */
const FIRST_HEARD_WITHIN_MS = 11_500;

/** Rejects with the system's error when the address cannot be used, with POLICY_UNAVAILABLE when Consul is. */
export async function openCandidateRun(options: CandidateRunOptions): Promise<CandidateRun> {
  const { place, host, port, advertise, kind, by, document, base, everyMs } = options;
  const heardWithinMs = (await isFirstCandidate(place)) ? FIRST_HEARD_WITHIN_MS : HEARD_WITHIN_MS;
  const id = randomBytes(12).toString('base64url');
  const collector = new CandidateCollector(place.service, id);
  const listener = await startListener({ host, port, takers: [collector], metrics: () => '' });
  const address = `http://${hostAndPort(host, listener.port)}`;
  const { client } = place;
  const lease = openLease({ client, name: `graylane policy ${kind}`, ttlSeconds: SESSION_TTL_SECONDS.default });
  const key = new HeldKey(place, lease);
  const url = advertise ?? address;
  return {
    collector,
    address,
    everyMs,
    heardWithinMs,
    announce: (state) => key.write({ kind, id, by, base, url, key: collector.key, everyMs, document, ...state }),
    isHeld: () => key.isHeld(),
    async close() {
      await key.end();
      await lease.close();
      await listener.close();
    },
  };
}
