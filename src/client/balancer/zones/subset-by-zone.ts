import { apportion } from '../../../base/apportion';
import type { Instance } from '../../../base/instances';
import { chooseSubset } from '../endpoints/subsetting';

/**
 * Deterministic subsetting zone by zone: each zone gives as large a part of the `size` instances as it has of all, and at least
 * one, so that the client's own zone is never missing. The client's zone plays no part in it: no connection is opened or closed
 * when zones fall ill. With more zones than `size` all zones give one.
 */
export function chooseOfEachZone(instances: readonly Instance[], size: number, clientId: string): readonly Instance[] {
  const zones = new Map<string, Instance[]>();
  for (const instance of instances) {
    const zone = instance.zone ?? '';
    const found = zones.get(zone);
    if (found === undefined) zones.set(zone, [instance]);
    else found.push(instance);
  }
  // In an order of their own: how parts are rounded must not depend on how discovery orders its list.
  const lists = [...zones].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, list]) => list);
  const parts = apportion(
    lists.map((list) => list.length),
    Math.max(size, lists.length),
  );
  return lists.flatMap((list, index) =>
    chooseSubset(list, (instance) => instance.key, parts[index] as number, clientId),
  );
}
