import { randomBytes } from 'node:crypto';
import type { Candidate } from '../../base/candidate';
import { startListener } from '../rollout/collector/listener';
import { openLease, SESSION_TTL_SECONDS } from '../rollout/lease';
import { CandidateCollector } from './collector';
import { type CandidatePlace, HeldKey } from './held-key';

/** A command that has a candidate: it listens for reports, and holds the key that tells clients of it. */
export interface CandidateRun {
  readonly collector: CandidateCollector;
  /** Where it listens. */
  readonly address: string;
  readonly everyMs: number;
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

/** Rejects with the system's error when the address cannot be used. */
export async function openCandidateRun(options: CandidateRunOptions): Promise<CandidateRun> {
  const { place, host, port, advertise, kind, by, document, base, everyMs } = options;
  const id = randomBytes(12).toString('base64url');
  const collector = new CandidateCollector(place.service, id);
  const listener = await startListener({ host, port, reports: collector, metrics: () => '' });
  const address = `http://${host.includes(':') ? `[${host}]` : host}:${listener.port}`;
  const { client } = place;
  const lease = openLease({ client, name: `graylane policy ${kind}`, ttlSeconds: SESSION_TTL_SECONDS.default });
  const key = new HeldKey(place, lease);
  const url = advertise ?? address;
  return {
    collector,
    address,
    everyMs,
    announce: (state) => key.write({ kind, id, by, base, url, key: collector.key, everyMs, document, ...state }),
    isHeld: () => key.isHeld(),
    async close() {
      await key.end();
      await lease.close();
      await listener.close();
    },
  };
}
