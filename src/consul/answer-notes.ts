import type { DuplicateInstance, Instance } from '../base/instances';
import type { Logger } from '../base/logger';

/** What one answer holds that somebody should hear of. */
interface Noteworthy {
  readonly instances: readonly Instance[];
  /** All of them, and the first few by name. */
  readonly duplicates: number;
  readonly doubles: readonly DuplicateInstance[];
  readonly isPartial: boolean;
}

/** Names that a line holds. */
const MOST_NAMED = 5;

/** Tells of what is odd about the instances of one service in one datacenter: each state once, and the end of those that end. */
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
      this.#logger.warn(
        'Consul cannot reach nodes of instances that pass their checks; those that answer keep their calls',
        {
          ...this.#fields,
          instances: failed,
        },
      );
    } else if (failed === 0 && this.#failed > 0) {
      this.#logger.info('Consul reaches the nodes of all instances again', this.#fields);
    }
    // Told again only when it has grown beyond what was told, or begins anew.
    this.#failed = failed === 0 ? 0 : Math.max(failed, this.#failed);
  }
}
