import { settled } from '../../base/emitter';
import { type DatacenterState, type Freshness, type Instance, peerPlace, type SourceState } from '../../base/instances';
import { type Logger, safeLogger } from '../../base/logger';
import { ofKey } from '../../base/of-key';
import { sameItems } from '../../base/same-items';
import type { SourceWatch, WatchRequest } from './source';

/** Instances that are known whole, by service; the part that static and file sources share. */
export interface ListedServices {
  watch(request: WatchRequest, listener: (state: SourceState) => void): SourceWatch;
  /**
   * Watchers of services that changed hear of it: where an instance is not the object that it was before. `known:
   * false` means that nothing could be read yet.
   */
  update(services: ReadonlyMap<string, readonly Instance[]>, freshness: Freshness, known: boolean): void;
  close(): void;
}

interface Watcher {
  readonly request: WatchRequest;
  readonly listener: (state: SourceState) => void;
  filters: readonly string[];
  last: SourceState | undefined;
  isQueued: boolean;
  isOpen: boolean;
}

/** So many instances are not worked off in the turn that read them: that was work enough for one. */
const LARGE = 1_000;

export const DEFAULT_DATACENTER = 'local';

/** `order`: datacenters, the local one first; those that it does not name follow by name. */
export function createListedServices(order: readonly string[], logger: Logger): ListedServices {
  const log = safeLogger(logger);
  const watchers = new Set<Watcher>();
  let services: ReadonlyMap<string, readonly Instance[]> = new Map();
  let freshness: Freshness = { kind: 'pending' };
  let known = false;
  let filterReported = false;

  const stateFor = (watcher: Watcher): SourceState => {
    const { service, tags, datacenters, scope } = watcher.request;
    const peer = scope?.['peer'];
    const byDatacenter = new Map<string, Instance[]>();
    for (const instance of services.get(service) ?? []) {
      if (!tags.every((tag) => instance.tags.includes(tag))) continue;
      ofKey(byDatacenter, instance.datacenter, (): Instance[] => []).push(instance);
    }
    const listed = [...order, ...[...byDatacenter.keys()].filter((name) => !order.includes(name)).sort()];
    const own = datacenters ?? (listed.length === 0 ? [DEFAULT_DATACENTER] : listed);
    const names = peer === undefined ? own : [peerPlace(peer)];
    const filters = new Map(watcher.filters.map((expression) => [expression, new Set<string>()]));
    return {
      datacenters: names.map((datacenter, at) => {
        const instances = byDatacenter.get(datacenter) ?? [];
        return { datacenter, local: at === 0, known, instances, rejected: 0, connectOnly: false, filters, freshness };
      }),
    };
  };

  const deliver = (watcher: Watcher): void => {
    watcher.isQueued = false;
    const state = stateFor(watcher);
    if (!watcher.isOpen || (watcher.last !== undefined && isSameState(watcher.last, state))) return;
    watcher.last = state;
    const failed = (error: unknown): void => log.error('a listener of discovery threw', { error: String(error) });
    settled(() => watcher.listener(state), failed);
  };

  const queue = (watcher: Watcher): void => {
    if (watcher.isQueued) return;
    watcher.isQueued = true;
    const count = services.get(watcher.request.service)?.length ?? 0;
    // The one within: an immediate that is set while sockets are read comes before timers and sockets have their turn.
    if (count > LARGE) setImmediate(() => setImmediate(deliver, watcher));
    else queueMicrotask(() => deliver(watcher));
  };

  return {
    watch(request, listener) {
      const watcher: Watcher = { request, listener, filters: [], last: undefined, isQueued: false, isOpen: true };
      watchers.add(watcher);
      if (freshness.kind !== 'pending' || freshness.reason !== undefined) queue(watcher);
      return {
        setFilters(expressions) {
          if (!watcher.isOpen) return;
          if (expressions.length > 0 && !filterReported) {
            filterReported = true;
            log.warn('filter expressions need Consul; without, they match nothing', { service: request.service });
          }
          watcher.filters = [...expressions];
          if (watcher.last !== undefined) queue(watcher);
        },
        close() {
          watcher.isOpen = false;
          watchers.delete(watcher);
        },
      };
    },
    update(nextServices, nextFreshness, nextKnown) {
      services = nextServices;
      freshness = nextFreshness;
      known = nextKnown;
      for (const watcher of watchers) queue(watcher);
    },
    close() {
      for (const watcher of watchers) watcher.isOpen = false;
      watchers.clear();
    },
  };
}

function isSameState({ datacenters: a }: SourceState, { datacenters: b }: SourceState): boolean {
  return a.length === b.length && a.every((one, at) => isSameDatacenter(one, b[at] as DatacenterState));
}

/** Both were built here: their keys are in one order. */
function isSameDatacenter(a: DatacenterState, b: DatacenterState): boolean {
  const says = ({ datacenter, known, freshness, filters }: DatacenterState): string =>
    JSON.stringify([datacenter, known, freshness, [...filters.keys()]]);
  return says(a) === says(b) && sameItems(a.instances, b.instances);
}
