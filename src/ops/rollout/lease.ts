import { isRecord } from '../../base/is-record';
import { createInterruptibleSleep } from '../../base/sleep';
import { answerJson } from '../../consul/answer-json';
import type { ConsulClient } from '../../consul/client';
import { inDatacenter, parseJsonRecord } from '../store/kv';

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
  /** Where the locks are. Default: the agent's own. */
  readonly datacenter?: string | undefined;
}

/**
 * Renewals in a TTL. Consul ends a session after twice the TTL without a renewal, so fewer renewals mean an earlier
 * takeover after a crash. Two leave time for four more attempts when one fails.
 */
const RENEWALS = 2;
const RETRY_MS = 500;
const MAX_TIME_LIMIT_MS = 10_000;

export function openLease({ client, name, ttlSeconds, datacenter }: LeaseOptions): Lease {
  const everyMs = (ttlSeconds * 1000) / RENEWALS;
  const timeLimitMs = Math.min(everyMs / 2, MAX_TIME_LIMIT_MS);
  const query = inDatacenter(datacenter);
  let session: string | undefined;
  let problem: string | undefined = 'no session yet';
  const end = new AbortController();
  const pause = createInterruptibleSleep(end.signal);

  const create = async (): Promise<boolean> => {
    const node = datacenter === undefined ? {} : await serverOf(client, datacenter, timeLimitMs);
    if ('reason' in node) {
      problem = `no session in ${datacenter}: ${node.reason}`;
      return false;
    }
    // No lock delay: the transactions refuse a writer whose session has ended.
    const wanted = { Name: name, TTL: `${ttlSeconds}s`, Behavior: 'release', LockDelay: '0s', ...node };
    const body = JSON.stringify(wanted);
    const answer = await client.put({ path: '/session/create', query, body, timeLimitMs: timeLimitMs * 2 });
    const id = answer.kind === 'answer' ? parseJsonRecord(answer.body.toString('utf8'))?.['ID'] : undefined;
    session = typeof id === 'string' ? id : undefined;
    problem = `no session${datacenter === undefined ? '' : ` in ${datacenter}`}: ${answer.kind === 'failure' ? answer.reason : 'no ID'}`;
    return session !== undefined;
  };
  const renew = async (id: string): Promise<boolean> => {
    const answer = await client.put({ path: '/session/renew/{id}', params: { id }, query, body: '', timeLimitMs });
    if (answer.kind === 'answer') return true;
    problem = `the session was not renewed: ${answer.reason}`;
    // Only Consul ends a session. While it does not answer, the transactions find out whether it has.
    if (answer.status === 404 || answer.status === 403) session = undefined;
    return false;
  };
  const beat = async (): Promise<number> => {
    const isAlive = await (session === undefined ? create() : renew(session));
    pause.reset();
    return isAlive ? everyMs : RETRY_MS;
  };
  const keep = async (first: Promise<number>): Promise<void> => {
    for (let delayMs = await first; ; delayMs = await beat()) {
      await pause.sleep(delayMs);
      if (end.signal.aborted) return;
    }
  };
  const first = beat();
  const beating = keep(first);

  return {
    get session() {
      return session;
    },
    get problem() {
      return session === undefined ? problem : undefined;
    },
    tried: first.then(() => {}),
    check: pause.wake,
    async close() {
      if (end.signal.aborted) return;
      end.abort();
      await beating;
      const id = session;
      session = undefined;
      if (id === undefined) return;
      await client.put({ path: '/session/destroy/{id}', params: { id }, query, body: '', timeLimitMs: 2000 });
    },
  };
}

/**
 * A session is of a node of its datacenter, where the agent that is asked is none. One of Consul's own servers is there
 * as long as the datacenter is; no check of it ends the session, only the TTL does.
 */
async function serverOf(
  client: ConsulClient,
  datacenter: string,
  timeLimitMs: number,
): Promise<{ readonly Node: string; readonly NodeChecks: readonly string[] } | { readonly reason: string }> {
  const answer = await client.get({ path: '/catalog/service/consul', query: { dc: datacenter }, timeLimitMs });
  const read = answerJson(answer);
  if ('reason' in read) return read;
  const listed: readonly unknown[] = Array.isArray(read.value) ? read.value : [];
  const names = listed.flatMap((each) => (isRecord(each) && typeof each['Node'] === 'string' ? [each['Node']] : []));
  const Node = names[Math.floor(Math.random() * names.length)];
  return Node === undefined ? { reason: 'none of its servers may be read' } : { Node, NodeChecks: [] };
}
