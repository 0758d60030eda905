import { describe, expect, it } from 'vitest';
import type { DatacenterState, SourceState } from '../../../../src/base/instances';
import type { Source, WatchRequest } from '../../../../src/client/discovery/source';
import { areLookupsKnown, describeUnansweredLookups, LookupWatches } from '../../../../src/client/state/lookup-watches';
import { compileChain } from '../../../../src/policy/chain/compile';
import type { Plan } from '../../../../src/policy/plan';

interface Watched extends WatchRequest {
  filters: readonly string[];
  isOpen: boolean;
  tell(state: SourceState): void;
}

/** A source that keeps what it is asked for. */
function keepingSource(): { readonly source: Source; readonly watched: Watched[] } {
  const watched: Watched[] = [];
  const source: Source = {
    watch: (request, listener) => {
      const one: Watched = { ...request, filters: [], isOpen: true, tell: listener };
      watched.push(one);
      return {
        setFilters: (filters) => {
          one.filters = filters;
        },
        close: () => {
          one.isOpen = false;
        },
      };
    },
    close: () => {},
  };
  return { source, watched };
}

const state = (datacenter: string, more: Partial<DatacenterState> = {}): DatacenterState => ({
  datacenter,
  local: false,
  known: true,
  instances: [],
  rejected: 0,
  connectOnly: false,
  filters: new Map(),
  freshness: { kind: 'fresh' },
  ...more,
});

/** `v1` in dc1, then in dc2, then `orders` in dc1. */
function planOf(): Plan {
  const target = (Service: string, Datacenter: string, Filter?: string): object => ({
    Service,
    Datacenter,
    ...(Filter === undefined ? {} : { ServiceSubset: 'v1', Subset: { Filter } }),
  });
  const content = {
    ServiceName: 'payments',
    Datacenter: 'dc1',
    StartNode: 'r',
    Nodes: { r: { Type: 'resolver', Resolver: { Target: 'a', Failover: { Targets: ['b', 'c'] } } } },
    Targets: { a: target('payments', 'dc1', 'f'), b: target('payments', 'dc2', 'f'), c: target('orders', 'dc1') },
  };
  return compileChain(content, { service: 'payments', sourceAddress: '10.0.0.1' });
}

describe('what a plan looks up', () => {
  it('is asked for only where the service itself does not cover it', () => {
    const { source, watched } = keepingSource();
    let changes = 0;
    const watches = new LookupWatches(source, { service: 'payments', tags: ['t'] }, () => {
      changes += 1;
    });
    const plan = planOf();
    const own: SourceState = { datacenters: [state('dc1')] };
    expect(watches.want([plan], own)).toEqual(['f']);
    expect(watched).toMatchObject([
      { service: 'payments', datacenters: ['dc2'], tags: ['t'], filters: ['f'] },
      { service: 'orders', datacenters: ['dc1'], tags: ['t'], filters: [] },
    ]);
    watched[0]?.tell({ datacenters: [state('dc2')] });
    expect(changes).toBe(1);
    expect([...watches.states([plan], own).values()].map(({ datacenter }) => datacenter)).toEqual(['dc1', 'dc2']);
    // The service's own watch covers the other datacenter now; then nothing is wanted any more.
    expect(watches.want([plan], { datacenters: [state('dc1'), state('dc2')] })).toEqual(['f']);
    expect(watched.map(({ isOpen }) => isOpen)).toEqual([false, true]);
    expect(watches.want([], own)).toEqual([]);
    expect(watched.map(({ isOpen }) => isOpen)).toEqual([false, false]);
    expect(watched).toHaveLength(2);
  });

  it('is known when its own datacenter has answered with somebody, or all have answered or failed', () => {
    const plan = planOf();
    const [first, second, third] = (plan.lookups ?? []).map(({ key }) => key) as [string, string, string];
    const instance = { status: 'passing' } as DatacenterState['instances'][number];
    const filters = new Map([['f', new Set<string>()]]);
    const failed = state('dc2', { known: false, freshness: { kind: 'pending', reason: 'HTTP 500' } });
    const here = state('dc1', { instances: [instance], filters });
    const known = (...states: readonly (readonly [string, DatacenterState])[]): boolean =>
      areLookupsKnown(plan, new Map(states), false);
    expect(known()).toBe(false);
    expect(known([first, here])).toBe(false);
    expect(known([first, here], [third, state('dc1')])).toBe(true);
    expect(known([first, state('dc1', { instances: [instance] })], [third, state('dc1')])).toBe(false);
    expect(known([first, state('dc1', { filters })], [third, state('dc1')])).toBe(false);
    expect(known([first, state('dc1', { filters })], [second, failed], [third, state('dc1')])).toBe(true);
    expect(known([first, failed], [second, failed], [third, failed])).toBe(false);
    expect(
      describeUnansweredLookups(
        plan,
        new Map([
          [first, here],
          [second, failed],
        ]),
      ),
    ).toEqual([
      'payments: instances not known from Consul (dc2: HTTP 500)',
      'orders: instances not known from Consul (dc1: no answer yet)',
    ]);
  });
});
