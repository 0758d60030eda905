import type { Timer } from '../../../base/clock';
import { settled } from '../../../base/emitter';
import type { DatacenterState, FilterFailure, SourceState } from '../../../base/instances';
import { createTokenBucket } from '../../../base/pacing';
import type { Lease } from '../../../base/ref-counted';
import { sameItems, sameMaps, sameSets } from '../../../base/same-items';
import type { AgentDatacenter } from '../../../consul/agent-self';
import type { SourceWatch } from '../source';
import type { DatacenterList } from './datacenter-list';
import type { FilterQuery } from './filter-query';
import type { HealthQuery, HealthView } from './health-query';
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
    if (last !== undefined && sameItems(datacenters, last.datacenters)) return;
    last = { datacenters };
    for (const watcher of [...watchers]) deliver(watcher, last);
  };

  const deliver = (watcher: Watcher, state: SourceState): void => {
    const failed = (error: unknown): void => logger.error('a listener of discovery threw', { error: String(error) });
    if (watcher.isOpen) settled(() => watcher.listener(state), failed);
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

/** One datacenter of one service watch: its share of the loops, and the state that they add up to. */
interface DatacenterSlot {
  /** The same object as long as nothing changed. */
  state(): DatacenterState;
  /** Something, good or bad, has been heard. */
  readonly hasNews: boolean;
  setFilters(expressions: ReadonlySet<string>): void;
  close(): void;
}

export interface SlotLoops {
  /** What the place is called, given what the agent's own datacenter is. */
  place(agent: string | undefined): string;
  health(): Lease<HealthQuery>;
  filter(expression: string): Lease<FilterQuery>;
}

interface FilterLease {
  readonly lease: Lease<FilterQuery>;
  readonly unsubscribe: () => void;
}

function createDatacenterSlot(
  local: boolean,
  agent: AgentDatacenter,
  loops: SlotLoops,
  onChange: (urgent: boolean) => void,
): DatacenterSlot {
  const health = loops.health();
  const unsubscribe = health.value.subscribe((urgent) => {
    if (filterLeases.size > 0) rebuildFilters();
    onChange(urgent);
  });
  const filterLeases = new Map<string, FilterLease>();
  let filters: DatacenterState['filters'] = new Map();
  let filterFailures: NonNullable<DatacenterState['filterFailures']> = new Map();
  /** The filters' last answers as they were taken over. */
  const answered = new Map<string, ReadonlySet<string>>();
  let built: { readonly view: HealthView; readonly state: DatacenterState } | undefined;

  const rebuildFilters = (): void => {
    const next = new Map<string, ReadonlySet<string>>();
    for (const [expression, { lease }] of filterLeases) {
      const { keys } = lease.value;
      if (keys === undefined) continue;
      next.set(expression, withKept(keys, filters.get(expression), answered.get(expression) === keys));
      answered.set(expression, keys);
    }
    if (!sameMaps(next, filters)) filters = next;
    const failures = new Map(
      [...filterLeases].flatMap(([expression, { lease }]) => failureOf(expression, lease.value)),
    );
    if (!sameMaps(failures, filterFailures)) filterFailures = failures;
  };

  /**
   * Instances that are in force though Consul lists them no more stay in the subsets that they were in; also when they
   * are listed again, until Consul's next word on the filter.
   */
  const withKept = (
    keys: ReadonlySet<string>,
    former: ReadonlySet<string> | undefined,
    isSameAnswer: boolean,
  ): ReadonlySet<string> => {
    const { isHeld, instances, absent } = health.value.view;
    const kept = [...(isHeld || isSameAnswer ? instances : []), ...absent].flatMap(({ key }) =>
      former?.has(key) === true && !keys.has(key) ? [key] : [],
    );
    if (kept.length === 0) return keys;
    const all = new Set([...keys, ...kept]);
    return former !== undefined && sameSets(former, all) ? former : all;
  };

  const letGo = (kept: ReadonlySet<string>): void => {
    for (const [expression, { lease, unsubscribe: stop }] of filterLeases) {
      if (kept.has(expression)) continue;
      filterLeases.delete(expression);
      stop();
      lease.release();
    }
  };

  return {
    get hasNews() {
      const { known, freshness } = health.value.view;
      return known || freshness.kind !== 'pending' || freshness.reason !== undefined;
    },
    state() {
      const { view } = health.value;
      const name = loops.place(agent.name);
      const { state } = built ?? {};
      const isSame = state?.filters === filters && state.filterFailures === filterFailures;
      if (state !== undefined && built?.view === view && isSame && state.datacenter === name) return state;
      built = { view, state: { ...view, datacenter: name, local, filters, filterFailures } };
      return built.state;
    },
    setFilters(expressions) {
      letGo(expressions);
      for (const expression of expressions) {
        if (filterLeases.has(expression)) continue;
        const lease = loops.filter(expression);
        const stop = lease.value.subscribe((urgent) => {
          rebuildFilters();
          onChange(urgent);
        });
        filterLeases.set(expression, { lease, unsubscribe: stop });
      }
      rebuildFilters();
    },
    close() {
      unsubscribe();
      health.release();
      letGo(new Set());
    },
  };
}

function failureOf(expression: string, { failure }: FilterQuery): readonly (readonly [string, FilterFailure])[] {
  return failure === undefined ? [] : [[expression, failure]];
}
