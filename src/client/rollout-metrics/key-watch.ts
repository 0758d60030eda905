import type { Logger } from '../../base/logger';
import {
  type BlockingQuery,
  type BlockingQueryDeps,
  startBlockingQuery,
  type Verdict,
} from '../../consul/blocking-query';
import { readKvAnswer } from '../../consul/kv-entry';
import type { ConsulAnswer } from '../../consul/request';

/** A key of Consul KV that says something to clients while its writer lives. */
export interface WatchedKey<T> {
  readonly key: string;
  /** Whose KV store. Undefined: the one of the agent's own datacenter. */
  readonly datacenter: string | undefined;
  /** Told where the key cannot be read. */
  readonly warning: string;
  /** What is wrong must not name what was read, which may hold a key. */
  decode(text: string): T | { readonly problem: string };
}

export interface KeyReading<T> {
  readonly value: T;
  /** A session has it locked now. False: the writer is gone. */
  readonly isHeld: boolean;
  /** ModifyIndex. */
  readonly index: string | undefined;
}

/** An absent key may be woken by writes to others, such as those below it: each time in vain its query waits longer. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Watches the key by one blocking query and tells `listener` of each change; undefined: there is none. A value that
 * cannot be read, or makes no sense, changes nothing and is logged once.
 */
export function watchKey<T extends object>(
  { key, datacenter, warning, decode }: WatchedKey<T>,
  listener: (reading: KeyReading<T> | undefined) => void,
  deps: BlockingQueryDeps & { readonly logger: Logger },
): BlockingQuery {
  let latest: string | undefined;
  let inVain = 0;
  let isLogged = false;
  let wake: (() => void) | undefined;

  const take = (content: string, reading: KeyReading<T> | undefined): Verdict => {
    isLogged = false;
    if (content === latest) return { kind: 'unchanged' };
    latest = content;
    listener(reading);
    return { kind: 'changed' };
  };

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const limitMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(inVain, 20));
      const timer = deps.clock.setTimer(deps.random() * limitMs, resolve);
      wake = () => {
        timer.cancel();
        resolve();
      };
    });

  const accept = async (answer: ConsulAnswer & { readonly kind: 'answer' }): Promise<Verdict> => {
    const entry = readKvAnswer(answer, key);
    if (entry.kind === 'absent') {
      const verdict = take('', undefined);
      if (verdict.kind === 'unchanged') {
        await pause();
        inVain += 1;
      }
      return verdict;
    }
    inVain = 0;
    if (entry.kind === 'error') return { kind: 'garbage', reason: entry.reason };
    const value = decode(entry.text);
    if ('problem' in value) return { kind: 'refused', reason: value.problem };
    return take(`${entry.session} ${entry.text}`, { value, isHeld: entry.session !== '', index: entry.index });
  };

  const query = startBlockingQuery(
    {
      request: () => ({
        path: '/kv/{key}',
        params: { key },
        query: datacenter === undefined ? {} : { dc: datacenter },
      }),
      accept,
      onFailure(reason) {
        if (!isLogged) deps.logger.warn(warning, { key, reason });
        isLogged = true;
      },
    },
    deps,
  );
  return {
    close() {
      query.close();
      wake?.();
    },
  };
}
