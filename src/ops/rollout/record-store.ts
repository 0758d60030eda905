import { type BlockingQueryDeps, startBlockingQuery } from '../../consul/blocking-query';
import type { ConsulClient } from '../../consul/client';
import { assertReadable, inDatacenter, type KvOperation, namesBelow, transact, unavailable } from '../store/kv';

/**
 * Records in Consul's KV store, in one datacenter: a record and a lock for each name. A record is written only as it was
 * read, and by a controller only while its session has the lock. Used by the controller and the command.
 */
export interface RecordStore<R> {
  /** Undefined is the agent's own. */
  readonly datacenter: string | undefined;
  /** Throws POLICY_UNAVAILABLE when Consul does not answer, or when the value is not a record. */
  read(name: string): Promise<StoredRecord<R>>;
  /** What has a record, sorted. Throws POLICY_UNAVAILABLE. */
  names(): Promise<readonly string[]>;
  /** Record alone. Never rejects. */
  write(before: StoredRecord<R>, record: R, session: string | undefined): Promise<RecordOutcome>;
  /** The same as operations of a transaction that also writes something else. */
  operations(before: StoredRecord<R>, record: R, session: string | undefined): readonly KvOperation[];
  /** Takes the lock; true when it is this session's now. `holder` is shown to others. Never rejects. */
  lock(name: string, session: string, holder: string): Promise<boolean>;
}

export interface StoredRecord<R> {
  /** Service of a rollout, name of waves. */
  readonly name: string;
  /** Undefined: there has been none. */
  readonly record: R | undefined;
  /** Consul's index of the record; '0' when there is none. */
  readonly index: string;
  /** Name of the controller that leads; undefined when none does. */
  readonly holder: string | undefined;
  /** The session that has the lock. */
  readonly session: string | undefined;
}

export type RecordOutcome =
  | { readonly kind: 'written' }
  /** Another writer has changed the record, or has the lock. Nothing was written. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'refused' | 'unknown'; readonly reason: string };

/** How a kind of record is written. */
export interface RecordFormat<R> {
  /** Of the keys, without a slash at the end. */
  readonly prefix: string;
  encode(record: R): string;
  /** A text in place of the record says why it is not valid. */
  decode(text: string, name: string): R | string;
}

export function createRecordStore<R extends { readonly stamp: string }>(
  client: ConsulClient,
  { prefix, encode, decode }: RecordFormat<R>,
  datacenter: string | undefined,
): RecordStore<R> {
  const keyOf = (name: string): string => `${prefix}/${name}`;
  const lockOf = (name: string): string => `${prefix}/${name}/lock`;
  const read = async (name: string): Promise<StoredRecord<R>> => {
    const key = keyOf(name);
    const outcome = await transact(client, datacenter, [{ verb: 'get-tree', key }]);
    if (outcome.kind !== 'done') throw unavailable(key, outcome.reason);
    const pair = outcome.pairs.find((each) => each.key === key);
    const lock = outcome.pairs.find((each) => each.key === lockOf(name));
    const holding = lock?.session === undefined ? undefined : lock;
    if (pair === undefined) await assertReadable(client, key, datacenter);
    const record = pair === undefined ? undefined : decode(pair.value.toString('utf8'), name);
    if (typeof record === 'string') throw unavailable(key, record);
    const index = pair?.modifyIndex ?? '0';
    return { name, record, index, holder: holding?.value.toString('utf8'), session: holding?.session };
  };
  const operations: RecordStore<R>['operations'] = ({ name, index }, record, session) => [
    ...(session === undefined ? [] : [{ verb: 'check-session', key: lockOf(name), session } as const]),
    { verb: 'cas', key: keyOf(name), index, value: encode(record) },
  ];
  return {
    datacenter,
    read,
    operations,
    async write(before, record, session) {
      const outcome = await transact(client, datacenter, operations(before, record, session));
      if (outcome.kind === 'done') return { kind: 'written' };
      if (outcome.kind === 'conflict') return { kind: 'lost' };
      if (outcome.kind === 'refused') return outcome;
      try {
        // An answer that got lost: the record says whether the write was not.
        const { record: now } = await read(before.name);
        return now?.stamp === record.stamp ? { kind: 'written' } : { kind: 'refused', reason: outcome.reason };
      } catch {
        return outcome;
      }
    },
    async lock(name, session, holder) {
      const operation = { verb: 'lock', key: lockOf(name), session, value: holder } as const;
      return (await transact(client, datacenter, [operation])).kind === 'done';
    },
    names: () => namesBelow(client, prefix, datacenter),
  };
}

/** Watches one record and its lock. Used by the controller. */
export interface RecordWatch {
  /** False while changes may be missed; read the record yourself then. */
  readonly isListening: boolean;
  /** Idempotent; ends the query and its connection, and `onChange` is not called any more. */
  close(): void;
}

/**
 * Calls `onChange` after each change below `key`, and when a change may have been missed; the caller reads the record
 * itself. The end of the leader's session counts as a change, because its lock goes with it. Changes of names that begin
 * with this one also call it. The query reads only keys: their index moves with the values.
 */
export function watchRecord(
  key: string,
  datacenter: string | undefined,
  onChange: () => void,
  deps: BlockingQueryDeps,
): RecordWatch {
  let isListening = false;
  let index: bigint | undefined;
  const query = startBlockingQuery(
    {
      request: () => ({ path: '/kv/{key}', params: { key }, query: { keys: '', ...inDatacenter(datacenter) } }),
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
