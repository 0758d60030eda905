import { parseJsonArray } from '../../../consul/health-answer';
import type { ConsulDeps, HealthTarget } from './health-target';

/** Tells an absent service from one that exists only behind Connect proxies. */
export interface ConnectCheck {
  /** Called with each good answer. Asks at most once in 30 s, and only while there is nothing. */
  consider(isEmpty: boolean): void;
  close(): void;
}

const RECHECK_MS = 30_000;
const TIME_LIMIT_MS = 5000;

export function createConnectCheck(
  target: HealthTarget,
  dcParameter: () => string | undefined,
  deps: ConsulDeps,
  onResult: (connectOnly: boolean) => void,
): ConnectCheck {
  const abort = new AbortController();
  let askedAtMs: number | undefined;
  let wanted = false;

  const ask = async (): Promise<void> => {
    const dc = dcParameter();
    const answer = await deps.client.get({
      path: '/health/connect/{service}',
      params: { service: target.service },
      query: { ...target.scope, ...(dc === undefined ? {} : { dc }), stale: '1' },
      timeLimitMs: TIME_LIMIT_MS,
      signal: abort.signal,
    });
    // Refused or failed: nothing is known, and nothing is claimed.
    if (abort.signal.aborted || !wanted || answer.kind !== 'answer') return;
    const entries = parseJsonArray(answer.body.toString('utf8'));
    if (typeof entries !== 'string') onResult(entries.length > 0);
  };

  return {
    consider(isEmpty) {
      wanted = isEmpty;
      const nowMs = deps.clock.now();
      if (!isEmpty) askedAtMs = undefined;
      else if (askedAtMs === undefined || nowMs - askedAtMs >= RECHECK_MS) {
        askedAtMs = nowMs;
        void ask();
      }
    },
    close: () => abort.abort(),
  };
}
