import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock';
import { seededRandom } from '../../../../src/base/random';
import { type DecidedCall, TrialCount } from '../../../../src/client/candidate/trial-count';
import { CandidateCollector, type TrialFigures } from '../../../../src/ops/candidate/collector';
import { compilePolicy } from '../../../../src/policy/compile';
import type { PolicyDocument } from '../../../../src/policy/document';
import { membershipOf } from '../../../../src/policy/membership/membership';
import type { InstanceSet } from '../../../../src/policy/membership/snapshot';
import type { Decision, Plan } from '../../../../src/policy/plan';
import type { RoutingOutcome } from '../../../../src/policy/routing/call';
import { decide } from '../../../../src/policy/routing/decide';
import { GRAY, graySplit } from '../../../support/gray-policy';
import { instanceSetOf } from '../../policy/lanes/worlds';

function compiled(routes: PolicyDocument['routes'], subsets: object = GRAY.subsets): Plan {
  const content = { ...GRAY, subsets, routes };
  return compilePolicy({ content, format: 'object' }, { service: 'payments', origin: 'kv' });
}

const INSTANCES: InstanceSet = instanceSetOf([
  { id: 's', tags: ['stable'] },
  { id: 'c', tags: ['canary'] },
]);

/** One client of a trial; `call` decides a call as a service does, and lets the trial decide it again. */
function client(first: Plan, then: Plan, collector: CandidateCollector, seed = 1) {
  let now = first;
  let observer: (decision: Decision, call: DecidedCall) => void = () => {};
  const random = seededRandom(seed);
  const snapshotOf = (plan: Plan) => {
    return { version: 1, service: 'payments', plan, observed: undefined, instances: INSTANCES, refusal: undefined };
  };
  let snapshot = snapshotOf(now);
  const count = new TrialCount(
    collector,
    {
      get snapshot() {
        return snapshot;
      },
      trial: { plan: then, membership: membershipOf(then, INSTANCES) },
      why: () => ({ state: 'waiting' }),
    },
    (each) => {
      observer = each;
      return () => {
        observer = () => {};
      };
    },
    { clock: systemClock, random },
  );
  let number = 0;
  return {
    count,
    call(labels: Readonly<Record<string, string>>): string {
      const outcome: RoutingOutcome = { sticky: false, bucket: -1, hash: -1 };
      const input = {
        method: '/shop.v1.Payments/Charge',
        labels: new Map(Object.entries(labels)),
        force: undefined,
        stickyKey: undefined,
      };
      const decision = decide(now, input, outcome, { clock: systemClock, random });
      observer(decision, { ...input, ...outcome });
      return decision.destination.subset;
    },
    apply(plan: Plan): void {
      now = plan;
      snapshot = snapshotOf(plan);
    },
    report(): void {
      number += 1;
      const { state, trial } = count.report();
      const body = { format: 1, client: `c${seed}`, candidate: 'a-trial', number, place: 0.5, revision: 'x', state };
      expect(collector.take('payments', JSON.stringify({ ...body, trial }))).toBe('taken');
      count.reported();
    },
  };
}

function trial(now: Plan, then: Plan, clients = 1) {
  const collector = new CandidateCollector('payments', 'a-trial');
  return { collector, clients: Array.from({ length: clients }, (_, at) => client(now, then, collector, at + 1)) };
}

const sticky = (percent: number): Plan =>
  compiled([{ name: 'everyone', split: graySplit(percent), stickBy: 'x-user-id' }]);
const random = (percent: number): Plan => compiled([{ name: 'everyone', split: graySplit(percent) }]);

function movedOf({ flows }: TrialFigures): number {
  return flows.filter(({ isMoved }) => isMoved).reduce((sum, { calls }) => sum + calls, 0);
}

describe('a policy on trial', () => {
  it('counts calls and callers that move, each caller once over all clients', () => {
    const { collector, clients } = trial(sticky(5), sticky(25), 20);
    const then = sticky(25);
    const before = new Map<string, string>();
    for (const [at, each] of clients.entries()) {
      // Half of the callers of each client are also those of the next.
      for (let user = at * 50; user < at * 50 + 100; user += 1) {
        const labels = { 'x-user-id': `u-${user}` };
        before.set(labels['x-user-id'], each.call(labels));
        each.call(labels);
      }
      each.report();
    }
    const split = then.routes[0]?.split;
    const moved = [...before].filter(([user, subset]) => split?.entries[split.entryOfValue(user)]?.subset !== subset);
    const figures = collector.trial();
    expect(figures.flows.reduce((sum, { calls }) => sum + calls, 0)).toBe(4_000);
    expect(Math.abs(figures.callers - before.size)).toBeLessThan(before.size * 0.02);
    expect(Math.abs(figures.movedCallers - moved.length)).toBeLessThan(before.size * 0.01);
    expect(movedOf(figures) / 4_000).toBeCloseTo(moved.length / before.size, 1);
    const [flow] = figures.flows.filter(({ isMoved }) => isMoved);
    expect(flow).toMatchObject({
      from: { route: 'everyone', destination: 'stable' },
      to: { route: 'everyone', destination: 'canary' },
      callers: figures.movedCallers,
    });
  });

  it('draws a call by chance once: only the difference moves', () => {
    const {
      collector,
      clients: [one],
    } = trial(random(5), random(10));
    for (let at = 0; at < 5_000; at += 1) one?.call({});
    one?.report();
    expect(Math.abs(movedOf(collector.trial()) / 5_000 - 0.05)).toBeLessThan(0.012);
    const same = trial(random(30), random(30));
    for (let at = 0; at < 1_000; at += 1) same.clients[0]?.call({});
    same.clients[0]?.report();
    expect(movedOf(same.collector.trial())).toBe(0);
  });

  it('counts calls that would find nobody, and those that find nobody now', () => {
    const subsets = { ...GRAY.subsets, gone: { tags: ['gone'] } };
    const toGone = [{ name: 'testers', match: { labels: { 'x-gray': 'a' } }, to: 'gone' }];
    const now = compiled(toGone, subsets);
    const then = compiled(
      [{ ...toGone[0], match: { labels: { 'x-gray': 'b' } } }] as PolicyDocument['routes'],
      subsets,
    );
    const {
      collector,
      clients: [one],
    } = trial(now, then);
    for (const gray of ['a', 'b', 'b', 'c']) one?.call({ 'x-gray': gray });
    one?.report();
    const { flows } = collector.trial();
    const sum = (key: 'nobody' | 'nobodyNow'): number => flows.reduce((total, flow) => total + flow[key], 0);
    expect([sum('nobodyNow'), sum('nobody')]).toEqual([1, 2]);
  });

  it('looks again when the policy in force or the instances have changed', () => {
    const subsets = { ...GRAY.subsets, gone: { tags: ['gone'] } };
    const toGone = compiled([{ name: 'all', to: 'gone' }], subsets);
    const toStable = compiled([{ name: 'all', to: 'stable' }], subsets);
    const {
      collector,
      clients: [one],
    } = trial(toStable, toStable);
    one?.call({});
    one?.apply(toGone);
    one?.call({});
    one?.report();
    const { flows } = collector.trial();
    expect(flows.map(({ from, nobodyNow, isMoved }) => [from.destination, nobodyNow, isMoved])).toEqual([
      ['stable', 0, false],
      ['gone', 1, true],
    ]);
  });

  it('sends no label, and of a sketch only what has grown', () => {
    const {
      collector,
      clients: [one],
    } = trial(sticky(5), sticky(25));
    one?.call({ 'x-user-id': 'a-secret-user' });
    const report = JSON.stringify(one?.count.report());
    expect(report).not.toContain('secret');
    expect(one?.count.isUnfinished).toBe(true);
    one?.count.reported();
    expect(one?.count.isUnfinished).toBe(false);
    one?.call({ 'x-user-id': 'a-secret-user' });
    expect(one?.count.isUnfinished).toBe(false);
    expect(collector.trial().callers).toBe(0);
  });

  it('tells many callers in several reports', () => {
    const {
      collector,
      clients: [one],
    } = trial(sticky(5), sticky(95));
    for (let user = 0; user < 20_000; user += 1) one?.call({ 'x-user-id': `u-${user}` });
    for (let reports = 0; reports < 8; reports += 1) one?.report();
    expect(one?.count.isUnfinished).toBe(false);
    expect(Math.abs(collector.trial().callers - 20_000)).toBeLessThan(600);
  });

  it('counts no more once it has stopped', () => {
    const {
      collector,
      clients: [one],
    } = trial(random(5), random(10));
    one?.call({});
    one?.count.stop();
    one?.call({});
    one?.report();
    expect(collector.trial().flows.reduce((sum, { calls }) => sum + calls, 0)).toBe(1);
    expect(collector.clients().counts.counting).toBe(1);
  });
});
