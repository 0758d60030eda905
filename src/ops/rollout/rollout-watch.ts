import { type BlockingQueryDeps, startBlockingQuery } from '../../consul/blocking-query';
import { recordKey } from './store';

/** Hears of changes to one service's rollout: to its record, and to who has its lock. Used by the controller. */
export interface RolloutWatch {
  /** Whether a change would be heard of now. While it would not, look for yourself. */
  readonly isListening: boolean;
  /** Idempotent; ends the query and its connection, and `onChange` is not called any more. */
  close(): void;
}

/**
 * Calls `onChange` after each change, and whenever some may have been missed; what has changed is for the caller to read.
 * A session that ends takes its lock along, so that is heard of, too. Services whose names begin with this one's are heard
 * of as well. Asks for the keys alone: their index moves with the values.
 */
export function watchRollout(service: string, onChange: () => void, deps: BlockingQueryDeps): RolloutWatch {
  let isListening = false;
  let index: bigint | undefined;
  const query = startBlockingQuery(
    {
      request: () => ({ path: '/kv/{key}', params: { key: recordKey(service) }, query: { keys: '' } }),
      accept(answer) {
        const isNew = !isListening || answer.index === undefined || answer.index !== index;
        index = answer.index;
        isListening = answer.index !== undefined;
        if (isNew) onChange();
        return { kind: isNew ? 'changed' : 'unchanged' };
      },
      onFailure() {
        isListening = false;
      },
    },
    deps,
  );
  return {
    get isListening() {
      return isListening;
    },
    close: () => query.close(),
  };
}
