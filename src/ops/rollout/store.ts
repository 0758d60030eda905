import { type BlockingQueryDeps, startBlockingQuery } from '../../consul/blocking-query';
import type { ConsulClient } from '../../consul/client';
import { assertReadable, type KvOperation, namesBelow, transact, unavailable } from '../store/kv';
import { decodeRecord, encodeRecord, type RolloutRecord } from './record';

/**
 * Rollouts in Consul's KV store, in the agent's own datacenter: one record and one lock a service. A record is written
 * only as it was read, and by a controller only while its session has the lock. Used by the controller and the command.
 */
export interface RolloutStore {
  /** Throws POLICY_UNAVAILABLE when Consul does not answer, or when the value is not a record. */
  read(service: string): Promise<StoredRollout>;
  /** Services that have a record, sorted. Throws POLICY_UNAVAILABLE. */
  services(): Promise<readonly string[]>;
  /** Record alone. Never rejects. */
  write(before: StoredRollout, record: RolloutRecord, session: string | undefined): Promise<RecordOutcome>;
  /** The same as operations of a transaction that also writes something else. */
  operations(before: StoredRollout, record: RolloutRecord, session: string | undefined): readonly KvOperation[];
  /** Takes the service's lock; true when it is this session's now. `holder` is shown to others. Never rejects. */
  lock(service: string, session: string, holder: string): Promise<boolean>;
}

export interface StoredRollout {
  readonly service: string;
  /** Undefined: there has been none. */
  readonly record: RolloutRecord | undefined;
  /** Consul's index of the record; '0' when there is none. */
  readonly index: string;
  /** Name of the controller that leads the rollout; undefined when none does. */
  readonly holder: string | undefined;
  /** The session that has the lock. */
  readonly session: string | undefined;
}

export type RecordOutcome =
  | { readonly kind: 'written' }
  /** Another writer has changed the record, or has the lock. Nothing was written. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'refused' | 'unknown'; readonly reason: string };

const PREFIX = 'graylane/rollouts';

export function createRolloutStore(client: ConsulClient): RolloutStore {
  const read = async (service: string): Promise<StoredRollout> => {
    const key = recordKey(service);
    const outcome = await transact(client, undefined, [{ verb: 'get-tree', key }]);
    if (outcome.kind !== 'done') throw unavailable(key, outcome.reason);
    const pair = outcome.pairs.find((each) => each.key === key);
    const lock = outcome.pairs.find((each) => each.key === lockOf(service));
    const holding = lock?.session === undefined ? undefined : lock;
    if (pair === undefined) await assertReadable(client, key, undefined);
    const record = pair === undefined ? undefined : decodeRecord(pair.value.toString('utf8'), service);
    if (typeof record === 'string') throw unavailable(key, record);
    const index = pair?.modifyIndex ?? '0';
    return { service, record, index, holder: holding?.value.toString('utf8'), session: holding?.session };
  };

  const operations = (
    { service, index }: StoredRollout,
    record: RolloutRecord,
    session: string | undefined,
  ): readonly KvOperation[] => [
    ...(session === undefined ? [] : [{ verb: 'check-session', key: lockOf(service), session } as const]),
    { verb: 'cas', key: recordKey(service), index, value: encodeRecord(record) },
  ];

  return {
    read,
    operations,
    async write(before, record, session) {
      const outcome = await transact(client, undefined, operations(before, record, session));
      if (outcome.kind === 'done') return { kind: 'written' };
      if (outcome.kind === 'conflict') return { kind: 'lost' };
      if (outcome.kind === 'refused') return outcome;
      try {
        // An answer that got lost: the record says whether the write was not.
        const { record: now } = await read(before.service);
        return now?.stamp === record.stamp ? { kind: 'written' } : { kind: 'refused', reason: outcome.reason };
      } catch {
        return outcome;
      }
    },
    async lock(service, session, holder) {
      const outcome = await transact(client, undefined, [
        { verb: 'lock', key: lockOf(service), session, value: holder },
      ]);
      return outcome.kind === 'done';
    },
    services: () => namesBelow(client, PREFIX, undefined),
  };
}

/**
 * Of the record. All other keys of the service begin with it, and so do those of services whose names begin with this
 * one.
 */
function recordKey(service: string): string {
  return `${PREFIX}/${service}`;
}

function lockOf(service: string): string {
  return `${PREFIX}/${service}/lock`;
}

/** Watches one service's rollout: its record and its lock. Used by the controller. */
export interface RolloutWatch {
  /** False while changes may be missed; read the record yourself then. */
  readonly isListening: boolean;
  /** Idempotent; ends the query and its connection, and `onChange` is not called any more. */
  close(): void;
}

/**
 * Calls `onChange` after each change, and when a change may have been missed; the caller reads the record itself. The
 * end of the leader's session counts as a change, because its lock goes with it. Changes of services whose names begin
 * with this one's also call it. The query reads only keys: their index moves with the values.
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
