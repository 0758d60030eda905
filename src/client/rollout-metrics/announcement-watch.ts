import type { Logger } from '../../base/logger';
import { type Announcement, announcementKey, decodeAnnouncement } from '../../base/rollout-metrics';
import {
  type BlockingQuery,
  type BlockingQueryDeps,
  startBlockingQuery,
  type Verdict,
} from '../../consul/blocking-query';
import { readKvAnswer } from '../../consul/kv-entry';
import type { ConsulAnswer } from '../../consul/request';

/** The announcement of a service as it stands; undefined: there is none. */
export interface CurrentAnnouncement {
  readonly announcement: Announcement;
  /** A controller has it locked now. False: the controller that wrote it is gone, and no report is taken. */
  readonly isHeld: boolean;
}

interface AnnouncementPlace {
  readonly service: string;
  /** Whose KV store. Undefined: the one of the agent's own datacenter. */
  readonly datacenter: string | undefined;
}

/** An absent key may be woken by writes to others, such as those below it: each time in vain its query waits longer. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Watches the announcement by one blocking query and tells `listener` of each change. An announcement that cannot be
 * read, or makes no sense, changes nothing and is logged once.
 */
export function watchAnnouncement(
  { service, datacenter }: AnnouncementPlace,
  listener: (current: CurrentAnnouncement | undefined) => void,
  deps: BlockingQueryDeps & { readonly logger: Logger },
): BlockingQuery {
  const key = announcementKey(service);
  let latest: string | undefined;
  let inVain = 0;
  let isLogged = false;
  let wake: (() => void) | undefined;

  const take = (content: string, current: CurrentAnnouncement | undefined): Verdict => {
    isLogged = false;
    if (content === latest) return { kind: 'unchanged' };
    latest = content;
    listener(current);
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
    const announcement = decodeAnnouncement(entry.text);
    if ('problem' in announcement) return { kind: 'refused', reason: announcement.problem };
    const isHeld = entry.session !== '';
    return take(`${entry.session} ${entry.text}`, { announcement, isHeld });
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
        if (!isLogged) deps.logger.warn('where to report rollout metrics cannot be read', { key, reason });
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
