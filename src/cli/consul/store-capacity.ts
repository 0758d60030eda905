import type { StoredPolicy } from '../../ops/store/history';
import { type Capacity, createCapacity } from './capacity';
import { readInstancesNow } from './instances-now';
import { nameOf, type StoreSession } from './store-session';

/** What the instances that Consul lists now can carry, in the datacenter that a policy is of. */
export function capacityIn(
  { connection }: Pick<StoreSession, 'connection'>,
  { service, datacenter }: StoredPolicy,
  maxLoadFactor: number,
  limitName = '--max-load-factor',
): Capacity {
  const { client, everywhere } = connection;
  return createCapacity({
    datacenter: nameOf(datacenter),
    maxLoadFactor,
    limitName,
    readHere: (filters) => readInstancesNow(client, service, [datacenter], filters),
    readElsewhere: async (filters) =>
      readInstancesNow(client, service, await everywhere(), filters, { tolerant: true }),
  });
}
