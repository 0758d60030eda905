import type { Timer } from '../../../base/clock';
import type { SourceState } from '../../../base/instances';
import { createTokenBucket } from '../../../base/pacing';
import type { Lease } from '../../../base/ref-counted';
import type { SourceWatch } from '../source';
import type { DatacenterList } from './datacenter-list';
import { createDatacenterSlot, type DatacenterSlot, type SlotLoops } from './datacenter-slot';
import type { ConsulDeps } from './health-target';

/** One service over its datacenters: joins their states, paces them and hands them to every watcher. */
export interface ServiceWatch {
  watch(listener: (state: SourceState) => void): SourceWatch;
  close(): void;
}

interface Watcher {
  readonly listener: (state: SourceState) => void;
  filters: readonly string[];
  isOpen: boolean;
}

/** Changes handed on: the first two at once, then at most 5 a second, however fast instances flap. */
const BURST = 2;
const PER_SECOND = 5;

export function createServiceWatch(
  list: Lease<DatacenterList>,
  loopsOf: (datacenter: string | undefined, local: boolean) => SlotLoops,
  peer: string | undefined,
  deps: ConsulDeps,
): ServiceWatch {
  const { clock, logger, agent } = deps;
  const bucket = createTokenBucket(clock, BURST, PER_SECOND);
  const watchers = new Set<Watcher>();
  const slots = new Map<string | undefined, DatacenterSlot>();
  let last: SourceState | undefined;
  let isQueued = false;
  let isUrgent = false;
  let delayed: Timer | undefined;
  let closed = false;

  const onChange = (urgent: boolean): void => {
    isUrgent ||= urgent;
    if (isQueued) return;
    isQueued = true;
    queueMicrotask(() => {
      isQueued = false;
      if (closed) return;
      if (isUrgent) emit();
      else if (delayed === undefined) {
        const waitMs = bucket.take();
        if (waitMs === 0) emit();
        else delayed = clock.setTimer(waitMs, emit);
      }
    });
  };

  const emit = (): void => {
    delayed?.cancel();
    delayed = undefined;
    isUrgent = false;
    const datacenters = list.value.names.map((name) => slots.get(name)?.state()).filter((state) => state !== undefined);
    const before = last?.datacenters;
    if (datacenters.length === before?.length && datacenters.every((state, at) => state === before[at])) return;
    last = { datacenters };
    for (const watcher of [...watchers]) deliver(watcher, last);
  };

  const deliver = (watcher: Watcher, state: SourceState): void => {
    if (!watcher.isOpen) return;
    try {
      watcher.listener(state);
    } catch (error) {
      logger.error('a listener of discovery threw', { error: String(error) });
    }
  };

  const wanted = (): ReadonlySet<string> => new Set([...watchers].flatMap((watcher) => watcher.filters));

  const applyFilters = (): void => {
    const expressions = wanted();
    for (const slot of slots.values()) slot.setFilters(expressions);
    if (last !== undefined) onChange(true);
  };

  const applyList = (): void => {
    const { names } = list.value;
    for (const [name, slot] of slots) {
      if (names.includes(name)) continue;
      slots.delete(name);
      slot.close();
    }
    names.forEach((name, at) => {
      if (slots.has(name)) return;
      const isLocal = at === 0 && peer === undefined;
      const slot = createDatacenterSlot(isLocal, agent, loopsOf(name, at === 0), onChange);
      slot.setFilters(wanted());
      slots.set(name, slot);
    });
  };

  applyList();
  const stopList = list.value.subscribe(() => {
    applyList();
    if (last !== undefined) onChange(true);
  });
  const stopAgent = agent.subscribe(() => {
    if (last !== undefined) onChange(true);
  });
  // Loops that others already run have their news: nothing further need happen for a first state.
  if ([...slots.values()].some((slot) => slot.hasNews)) onChange(true);

  return {
    watch(listener) {
      const watcher: Watcher = { listener, filters: [], isOpen: true };
      watchers.add(watcher);
      const known = last;
      if (known !== undefined) {
        queueMicrotask(() => {
          if (last === known) deliver(watcher, known);
        });
      }
      return {
        setFilters(expressions) {
          if (!watcher.isOpen) return;
          watcher.filters = [...expressions];
          applyFilters();
        },
        close() {
          if (!watcher.isOpen) return;
          watcher.isOpen = false;
          watchers.delete(watcher);
          if (watcher.filters.length > 0 && !closed) applyFilters();
        },
      };
    },
    close() {
      if (closed) return;
      closed = true;
      delayed?.cancel();
      stopList();
      stopAgent();
      for (const watcher of watchers) watcher.isOpen = false;
      watchers.clear();
      for (const slot of slots.values()) slot.close();
      slots.clear();
      list.release();
    },
  };
}
