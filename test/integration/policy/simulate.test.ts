import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random';
import { definePolicy, type PolicyDocument, type RouteDocument } from '../../../src/index';
import { createSyntheticCalls, sampleOfRegex } from '../../../src/ops/simulation/synthetic-calls';
import { compilePolicy } from '../../../src/policy/compile';
import { decide } from '../../../src/policy/routing/decide';
import { type SimulationReport, simulatePolicy } from '../../../src/simulate';
import { cpuMs } from '../../support/cost';
import { printFact } from '../../support/figure';
import { GRAY, graySplit } from '../../support/gray-policy';
import { soundPolicy } from '../../unit/policy/arbitrary-policy';

function gray(canary: number, more: Partial<Omit<RouteDocument, 'to' | 'split'>> = {}): PolicyDocument {
  return {
    ...GRAY,
    routes: [
      {
        name: 'everyone',
        split: graySplit(canary),
        stickBy: 'x-user-id',
        ...more,
      },
    ],
  };
}

function share(report: Pick<SimulationReport, 'subsets'>, subset: string): number {
  return report.subsets.find((each) => each.subset === subset)?.percent ?? Number.NaN;
}

describe('simulatePolicy()', () => {
  it('tells shares by subset and by route, beside what was asked for', () => {
    const policy = definePolicy({
      ...gray(5),
      routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }, ...(gray(5).routes ?? [])],
    });
    const report = simulatePolicy(policy, { calls: 200_000 });
    expect(report).toMatchObject({ service: 'payments', calls: 200_000, against: undefined });
    const [testers, everyone] = report.routes;
    expect(testers).toMatchObject({ route: 'testers', subsets: [{ subset: 'canary', percent: 100, weighed: 100 }] });
    expect(testers?.percent).toBeGreaterThan(45);
    expect(everyone?.subsets.map(({ weighed }) => weighed)).toEqual([95, 5]);
    expect(everyone?.subsets[1]?.percent).toBeCloseTo(5, 0);
    expect(share(report, 'stable') + share(report, 'canary')).toBeCloseTo(100, 1);
  });

  it('moves the difference and loses no sticky caller when a weight is raised or lowered', () => {
    for (const [from, to, direction] of [
      [5, 25, 'stable canary'],
      [25, 5, 'canary stable'],
    ] as const) {
      const { against, stickyCallers } = simulatePolicy(gray(from), { against: gray(to), calls: 100_000 });
      expect(against?.moves.map((move) => `${move.from.subset} ${move.to.subset}`)).toEqual([direction]);
      expect(against?.moved.percent).toBeGreaterThan(18);
      expect(against?.moved.percent).toBeLessThan(22);
      expect((against?.moved.stickyCallers ?? 0) / stickyCallers).toBeCloseTo(0.2, 1);
      expect(against?.stickyCallersLost).toBe(0);
    }
  });

  it('counts sticky callers as lost when a rename reshuffles them', () => {
    const { against } = simulatePolicy(gray(25), { against: gray(25, { name: 'all' }), calls: 100_000 });
    expect(against?.stickyCallersLost).toBe(against?.moved.stickyCallers);
    expect(against?.stickyCallersLost).toBeGreaterThan(3_000);
    const salted = gray(25, { name: 'all', stickySalt: 'everyone' });
    expect(simulatePolicy(gray(25), { against: salted }).against?.moved.calls).toBe(0);
  });

  it('gives a call that goes by chance the same draw under both', () => {
    const chance = (canary: number): PolicyDocument => {
      const policy = gray(canary);
      return { ...policy, routes: (policy.routes ?? []).map(({ stickBy: _, ...route }) => route) };
    };
    expect(simulatePolicy(chance(30), { against: chance(30) }).against?.moved.calls).toBe(0);
    const { against } = simulatePolicy(chance(30), { against: chance(40) });
    expect(against?.moved.percent).toBeCloseTo(10, 0);
    expect(against?.moved.stickyCallers).toBe(0);
  });

  it('replays recorded calls', () => {
    const from = Array.from({ length: 10 }, (_, index) => ({
      method: '/a/B',
      labels: { 'X-User-Id': `u-${index % 2}` },
    }));
    const report = simulatePolicy(gray(50), { from });
    expect(report).toMatchObject({ calls: 10, stickyCallers: 2 });
    expect(report).toEqual(simulatePolicy(gray(50), { from, seed: 99 }));
  });

  it('says the same by the same seed', () => {
    expect(simulatePolicy(gray(10), { seed: 3, calls: 999 })).toEqual(
      simulatePolicy(gray(10), { seed: 3, calls: 999 }),
    );
  });

  it.each([0, 1.5, -1, Number.NaN])('refuses %s calls', (calls) => {
    expect(() => simulatePolicy(gray(5), { calls })).toThrow(/^calls: .*expected: 1\.\.100000000/);
  });

  it('takes 1,000,000 calls in 5 s of processor time, also against a second policy', () => {
    const many = (canary: number): PolicyDocument => ({
      ...gray(canary),
      routes: [
        { name: 'testers', match: { labels: { 'x-gray': { in: ['canary', 'beta'] } } }, to: 'canary' },
        {
          name: 'builds',
          match: { methods: ['/shop.v1.Payments/'], labels: { 'x-build': { range: [1, 9] } } },
          to: 'canary',
        },
        ...(gray(canary).routes ?? []),
      ],
    });
    for (const against of [undefined, many(25)]) {
      const started = process.cpuUsage();
      const report = simulatePolicy(many(5), { calls: 1_000_000, ...(against === undefined ? {} : { against }) });
      const took = cpuMs(started);
      printFact(
        `simulate 1,000,000 calls${against === undefined ? '' : ' against a second policy'}`,
        `${(took / 1000).toFixed(2)} s (bar: 5 s)`,
      );
      expect(report.calls).toBe(1_000_000);
      expect(took).toBeLessThan(5_000);
    }
  });
});

describe('synthetic calls', () => {
  const clock = {
    now: () => 0,
    wallNow: () => 0,
    setTimer: () => ({ cancel() {} }),
    setRepeating: () => ({ cancel() {} }),
  };

  it('reach the routes for which one can be made up', () => {
    fc.assert(
      fc.property(soundPolicy, fc.nat(), (document, seed) => {
        const plan = compilePolicy({ content: document, format: 'object' }, { service: 'payments', origin: 'inline' });
        const random = seededRandom(seed);
        const calls = createSyntheticCalls([plan], { random, callers: 50 });
        const outcome = { sticky: false, bucket: -1, hash: -1 };
        // An earlier route may take all that a later one is made for: each is asked about by itself.
        for (const route of plan.routes) {
          if (route.match === undefined || calls.unreached[0]?.includes(route.name)) continue;
          const alone = { ...document, routes: (document.routes ?? []).filter(({ name }) => name === route.name) };
          const single = compilePolicy({ content: alone, format: 'object' }, { service: 'payments', origin: 'inline' });
          if (single.routes[0]?.match?.sample?.percent !== undefined && single.routes[0].match.sample.percent < 30)
            continue;
          const own = createSyntheticCalls([single], { random, callers: 50 });
          const hits = Array.from({ length: 400 }, () => decide(single, own.next(), outcome, { random, clock }).by);
          expect(hits).toContain('route');
        }
      }),
      { numRuns: 100, seed: 5 },
    );
  });

  it.each(['a.*', '.*c', '[a-c]+', '\\d+', '(?:a|b)*', 'v[0-9]{2}\\.x?', '(beta|rc)-\\d', '[^abc]{3}', 'a\\.b'])(
    'find a value for %s',
    (source) => {
      expect(sampleOfRegex(source)).toMatch(new RegExp(`^(?:${source})$`));
    },
  );

  it('say for which routes they found none', () => {
    const document = gray(5, { match: { labels: { 'x-a': { exact: 'a', not: { present: true } } } } });
    const plan = compilePolicy({ content: document, format: 'object' }, { service: 'payments', origin: 'inline' });
    expect(createSyntheticCalls([plan], { random: seededRandom(1), callers: 1 }).unreached).toEqual([['everyone']]);
  });
});
