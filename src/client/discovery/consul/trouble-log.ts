import type { DuplicateInstance, Instance } from '../../../base/instances';
import type { Logger } from '../../../base/logger';

/** What kind of trouble a failed read is, as the log calls it. */
export function describeTrouble(reason: string): string {
  return `${TROUBLES.find(([pattern]) => pattern.test(reason))?.[1] ?? 'Consul does not answer'}; what is known stays in force`;
}

/** An answer that is empty for want of permission. */
export const FORBIDDEN = 'empty for want of permission (ACL)';
/** The same of a cluster peer, whose services are shown only to tokens that may read all. */
export const PEER_FORBIDDEN: string = `${FORBIDDEN}: instances of a peer need service_prefix "" and node_prefix "" with read`;
/** Consul's word on a datacenter that is none of its federation, or that no server of it can be reached in. */
export const NO_PATH: RegExp = /no path to datacenter/i;

const CUT_OFF = /^(ECONNRESET|ECONNREFUSED|EPIPE)\b|^the answer was cut short/;

const TROUBLES: readonly (readonly [RegExp, string])[] = [
  [/^empty for want of permission/, 'the token may not read the service'],
  [NO_PATH, 'Consul has no path to the datacenter'],
  [/instances are malformed/, 'Consul lists malformed instances'],
  [/instances cannot be used/, 'Consul lists instances that cannot be used'],
  [/^the answer is not JSON|^the answer is not a JSON array/, 'what Consul answers cannot be read'],
];

/**
 * Tells each outage once, however many services and datacenters see it, and again when another kind of trouble comes.
 * Its end is told when the last of them is well.
 */
export class Outages {
  readonly #seenBy = new Map<string, Set<object>>();

  /** True: this kind was not logged yet. `watcher` logs each kind once until it is well again. */
  begin(watcher: object, kind: string): boolean {
    const seenBy = this.#seenBy.get(kind);
    if (seenBy === undefined) this.#seenBy.set(kind, new Set([watcher]));
    else seenBy.add(watcher);
    return seenBy === undefined;
  }

  /** True: it was the last watcher that saw one of the kinds that it had logged. */
  end(watcher: object): boolean {
    let wasLast = false;
    for (const [kind, seenBy] of this.#seenBy) {
      if (!seenBy.delete(watcher) || seenBy.size > 0) continue;
      this.#seenBy.delete(kind);
      wasLast = true;
    }
    return wasLast;
  }
}

/** The same for every address of an agent, so that a second one that fails alike is not told as a new outage. */
export function kindOf(reason: string, service: string, datacenter: string): string {
  const message = describeTrouble(reason);
  // These are about the service or the datacenter, not about Consul.
  if (reason.startsWith(FORBIDDEN) || /instances (are malformed|cannot be used)/.test(reason))
    return `${message} ${service} ${datacenter}`;
  if (NO_PATH.test(reason)) return `${message} ${datacenter}`;
  // The requests that were open are cut off, those that follow are refused: one outage.
  if (CUT_OFF.test(reason)) return message;
  return `${message} ${reason.replace(/https?:\/\/\S+|unix:\S+/g, '').slice(0, 60)}`;
}

/** What one answer holds that should be logged. */
interface Noteworthy {
  readonly instances: readonly Instance[];
  /** All of them, and the first few by name. */
  readonly duplicates: number;
  readonly doubles: readonly DuplicateInstance[];
  readonly isPartial: boolean;
}

/** Names that a line holds. */
const MOST_NAMED = 5;

/**
 * Tells of what is odd about the instances of one service in one datacenter: each state once, and the end of those that
 * end.
 */
export class AnswerNotes {
  readonly #logger: Logger;
  readonly #fields: Readonly<Record<string, string>>;
  #duplicates = '';
  #failed = 0;
  #isPartial = false;

  constructor(logger: Logger, fields: Readonly<Record<string, string>>) {
    this.#logger = logger;
    this.#fields = fields;
  }

  tell({ instances, duplicates, doubles, isPartial }: Noteworthy): void {
    this.#tellDuplicates(duplicates, doubles);
    this.#tellFailedNodes(instances);
    if (isPartial && !this.#isPartial) {
      const message =
        'Consul leaves out what the token may not see; instances that vanish with that are kept for a while';
      this.#logger.error(message, this.#fields);
    } else if (!isPartial && this.#isPartial) this.#logger.info('Consul lists all instances again', this.#fields);
    this.#isPartial = isPartial;
  }

  #tellDuplicates(duplicates: number, doubles: readonly DuplicateInstance[]): void {
    const shown = doubles.slice(0, MOST_NAMED);
    const named = shown.map(({ endpoint, counts, leftOut }) => `${endpoint}: ${counts}, not ${leftOut}`).join('; ');
    // Which of them counts may change with each registration, and is nothing new.
    const addresses = shown.map(({ endpoint }) => endpoint).sort();
    const state = duplicates === 0 ? '' : `${duplicates} ${addresses.join(' ')}`;
    if (state !== '' && state !== this.#duplicates) {
      this.#logger.warn('several instances are registered at one address; the newest registration counts', {
        ...this.#fields,
        duplicates,
        which: named,
      });
    }
    this.#duplicates = state;
  }

  #tellFailedNodes(instances: readonly Instance[]): void {
    const failed = instances.reduce((sum, { isNodeFailed }) => sum + (isNodeFailed === true ? 1 : 0), 0);
    if (failed > this.#failed) {
      const message =
        'Consul cannot reach nodes of instances that pass their checks; those that answer keep their calls';
      this.#logger.warn(message, { ...this.#fields, instances: failed });
    } else if (failed === 0 && this.#failed > 0) {
      this.#logger.info('Consul reaches the nodes of all instances again', this.#fields);
    }
    // Told again only when it has grown beyond what was told, or begins anew.
    this.#failed = failed === 0 ? 0 : Math.max(failed, this.#failed);
  }
}
