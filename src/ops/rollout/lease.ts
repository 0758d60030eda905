import type { ConsulClient } from '../../consul/client';
import { parseJsonRecord } from '../store/kv';

/** What Consul allows for a session's TTL. It may keep a session for twice its TTL after the last renewal. */
export const SESSION_TTL_SECONDS: { readonly min: number; readonly max: number; readonly default: number } = {
  min: 10,
  max: 86_400,
  default: 10,
};

/**
 * A Consul session that is renewed here. Locks are taken in its name. A transaction under such a lock checks that the
 * session still has it, so a process that was frozen past its session cannot write. Used only by the controller.
 */
export interface Lease {
  /**
   * Undefined while there is no session: Consul does not answer, or has ended it. A new one is requested until it
   * exists.
   */
  readonly session: string | undefined;
  /** Why there is no session. */
  readonly problem: string | undefined;
  /** Resolves when the first attempt to get a session has ended. Never rejects. */
  readonly tried: Promise<void>;
  /** Renews now, for a caller that suspects that Consul has ended the session. */
  check(): void;
  /** Ends the session, which gives back every lock at once. Idempotent, never rejects. */
  close(): Promise<void>;
}

export interface LeaseOptions {
  readonly client: ConsulClient;
  /** Shown in Consul's list of sessions. */
  readonly name: string;
  /** Whole seconds, {@link SESSION_TTL_SECONDS}. */
  readonly ttlSeconds: number;
}

/**
 * Renewals in a TTL. Consul ends a session after twice the TTL without a renewal, so fewer renewals mean an earlier
 * takeover after a crash. Two leave time for four more attempts when one fails.
 */
const RENEWALS = 2;
const RETRY_MS = 500;
const MAX_TIME_LIMIT_MS = 10_000;

export function openLease({ client, name, ttlSeconds }: LeaseOptions): Lease {
  const everyMs = (ttlSeconds * 1000) / RENEWALS;
  const timeLimitMs = Math.min(everyMs / 2, MAX_TIME_LIMIT_MS);
  let session: string | undefined;
  let problem: string | undefined = 'no session yet';
  let timer: NodeJS.Timeout | undefined;
  let isBeating = false;
  let isClosed = false;

  const create = async (): Promise<boolean> => {
    // No lock delay: the transactions refuse a writer whose session has ended.
    const wanted = { Name: name, TTL: `${ttlSeconds}s`, Behavior: 'release', LockDelay: '0s' };
    const body = JSON.stringify(wanted);
    const answer = await client.put({ path: '/session/create', body, timeLimitMs: timeLimitMs * 2 });
    const id = answer.kind === 'answer' ? parseJsonRecord(answer.body.toString('utf8'))?.['ID'] : undefined;
    session = typeof id === 'string' ? id : undefined;
    problem = `no session: ${answer.kind === 'failure' ? answer.reason : 'no ID'}`;
    return session !== undefined;
  };
  const renew = async (id: string): Promise<boolean> => {
    const answer = await client.put({ path: '/session/renew/{id}', params: { id }, body: '', timeLimitMs });
    if (answer.kind === 'answer') return true;
    problem = `the session was not renewed: ${answer.reason}`;
    // Only Consul ends a session. While it does not answer, the transactions find out whether it has.
    if (answer.status === 404 || answer.status === 403) session = undefined;
    return false;
  };
  const beat = async (): Promise<void> => {
    isBeating = true;
    const isAlive = await (session === undefined ? create() : renew(session));
    isBeating = false;
    if (isClosed) return;
    timer = setTimeout(next, isAlive ? everyMs : RETRY_MS);
    timer.unref();
  };
  const next = (): void => {
    beating = beat();
  };
  const tried = beat();
  let beating = tried;

  return {
    get session() {
      return session;
    },
    get problem() {
      return session === undefined ? problem : undefined;
    },
    tried,
    check() {
      if (isBeating || isClosed) return;
      clearTimeout(timer);
      next();
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      clearTimeout(timer);
      await beating;
      const id = session;
      session = undefined;
      if (id === undefined) return;
      await client.put({ path: '/session/destroy/{id}', params: { id }, body: '', timeLimitMs: 2000 });
    },
  };
}
