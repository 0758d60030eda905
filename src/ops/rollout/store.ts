import type { BlockingQueryDeps } from '../../consul/blocking-query';
import type { ConsulClient } from '../../consul/client';
import { decodeRecord, encodeRecord, type RolloutRecord } from './record';
import { createRecordStore, type RecordStore, type RecordWatch, type StoredRecord, watchRecord } from './record-store';

/** Rollouts of one datacenter: one record and one lock a service, beside the policies that they change. */
export type RolloutStore = RecordStore<RolloutRecord>;
export type StoredRollout = StoredRecord<RolloutRecord>;

const PREFIX = 'graylane/rollouts';

/** `datacenter`: undefined is the agent's own. */
export function createRolloutStore(client: ConsulClient, datacenter?: string): RolloutStore {
  return createRecordStore(client, { prefix: PREFIX, encode: encodeRecord, decode: decodeRecord }, datacenter);
}

/** Watches one service's rollout: its record and its lock. Used by the controller. */
export function watchRollout(
  service: string,
  onChange: () => void,
  deps: BlockingQueryDeps,
  datacenter?: string,
): RecordWatch {
  return watchRecord(`${PREFIX}/${service}`, datacenter, onChange, deps);
}
