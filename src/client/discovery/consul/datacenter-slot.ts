import type { DatacenterState, FilterFailure } from '../../../base/instances';
import type { Lease } from '../../../base/ref-counted';
import type { AgentDatacenter } from '../../../consul/agent-self';
import type { FilterQuery } from './filter-query';
import type { HealthQuery, HealthView } from './health-query';

/** One datacenter of one service watch: its share of the loops, and the state that they add up to. */
export interface DatacenterSlot {
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

interface HeldFilter {
  readonly lease: Lease<FilterQuery>;
  readonly unsubscribe: () => void;
}

export function createDatacenterSlot(
  local: boolean,
  agent: AgentDatacenter,
  loops: SlotLoops,
  onChange: (urgent: boolean) => void,
): DatacenterSlot {
  const health = loops.health();
  const unsubscribe = health.value.subscribe((urgent) => {
    if (held.size > 0) rebuildFilters();
    onChange(urgent);
  });
  const held = new Map<string, HeldFilter>();
  let filters: DatacenterState['filters'] = new Map();
  let filterFailures: NonNullable<DatacenterState['filterFailures']> = new Map();
  /** The filters' last answers as they were taken over. */
  const answered = new Map<string, ReadonlySet<string>>();
  let built: { readonly view: HealthView; readonly state: DatacenterState } | undefined;

  const rebuildFilters = (): void => {
    const next = new Map<string, ReadonlySet<string>>();
    for (const [expression, { lease }] of held) {
      const { keys } = lease.value;
      if (keys === undefined) continue;
      next.set(expression, withKept(keys, filters.get(expression), answered.get(expression) === keys));
      answered.set(expression, keys);
    }
    const isSame =
      next.size === filters.size && [...next].every(([expression, keys]) => filters.get(expression) === keys);
    if (!isSame) filters = next;
    rebuildFailures();
  };

  const rebuildFailures = (): void => {
    const next = new Map([...held].flatMap(([expression, { lease }]) => failureOf(expression, lease.value)));
    const isSame =
      next.size === filterFailures.size && [...next].every(([key, failure]) => filterFailures.get(key) === failure);
    if (!isSame) filterFailures = next;
  };

  /**
   * Instances that are in force though Consul lists them no more stay in the subsets that they were in; also when they are
   * listed again, until Consul's next word on the filter.
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
    return former !== undefined && former.size === all.size && isSubset(former, all) ? former : all;
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
      for (const [expression, { lease, unsubscribe: stop }] of held) {
        if (expressions.has(expression)) continue;
        held.delete(expression);
        stop();
        lease.release();
      }
      for (const expression of expressions) {
        if (held.has(expression)) continue;
        const lease = loops.filter(expression);
        const stop = lease.value.subscribe((urgent) => {
          rebuildFilters();
          onChange(urgent);
        });
        held.set(expression, { lease, unsubscribe: stop });
      }
      rebuildFilters();
    },
    close() {
      unsubscribe();
      health.release();
      for (const { lease, unsubscribe: stop } of held.values()) {
        stop();
        lease.release();
      }
      held.clear();
    },
  };
}

function failureOf(expression: string, { failure }: FilterQuery): readonly (readonly [string, FilterFailure])[] {
  return failure === undefined ? [] : [[expression, failure]];
}

function isSubset(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const item of a) if (!b.has(item)) return false;
  return true;
}
