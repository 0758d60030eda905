import { pause } from './closers';
import type { ConsulApi } from './consul/http-api';
import { quantile } from './figure';

/** A blocking query of the test's own: how soon Consul and a busy machine tell a change to anybody, measured beside. */
export interface BareQuery {
  /** Resolves with the moment (`performance.now()`) of the first answer, from now on, that fits. */
  next(fits: (body: string) => boolean): Promise<number>;
  stop(): Promise<void>;
}

/** `path` begins with /v1 and may have a query. Resolves after the first answer. */
export async function watchBare(agent: ConsulApi, path: string): Promise<BareQuery> {
  const waiting = new Map<(body: string) => boolean, (atMs: number) => void>();
  let index = '0';
  let isStopped = false;
  const ask = async (): Promise<void> => {
    const response = await agent.request('GET', `${path}${path.includes('?') ? '&' : '?'}index=${index}&wait=2s`);
    const body = await response.text();
    index = response.headers.get('x-consul-index') ?? '0';
    for (const [fits, resolve] of waiting) {
      if (!fits(body)) continue;
      waiting.delete(fits);
      resolve(performance.now());
    }
  };
  await ask();
  const run = async (): Promise<void> => {
    while (!isStopped) await ask().catch(() => pause(20));
  };
  const running = run();
  return {
    next: (fits) => new Promise((resolve) => waiting.set(fits, resolve)),
    stop: async () => {
      isStopped = true;
      await running;
    },
  };
}

/**
 * The longest that `part` of the changes may take: `allowedMs`, and twice what the same part of them took beside, where the
 * machine and Consul have held it up just as well.
 */
export function barBeside(allowedMs: number, beside: readonly number[], part: number): number {
  return allowedMs + 2 * quantile(beside, part);
}
