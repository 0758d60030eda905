import type { Logger } from '../../base/logger';
import { type Announcement, announcementKey, decodeAnnouncement } from '../../base/rollout-metrics';
import type { BlockingQuery, BlockingQueryDeps } from '../../consul/blocking-query';
import { watchKey } from './key-watch';

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

/** Tells `listener` of each change of the announcement, see {@link watchKey}. */
export function watchAnnouncement(
  { service, datacenter }: AnnouncementPlace,
  listener: (current: CurrentAnnouncement | undefined) => void,
  deps: BlockingQueryDeps & { readonly logger: Logger },
): BlockingQuery {
  const key = announcementKey(service);
  const warning = 'where to report rollout metrics cannot be read';
  return watchKey(
    { key, datacenter, warning, decode: decodeAnnouncement },
    (reading) => listener(reading && { announcement: reading.value, isHeld: reading.isHeld }),
    deps,
  );
}
