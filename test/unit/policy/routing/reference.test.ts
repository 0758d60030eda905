import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../../src/policy/compile';
import type {
  DestinationDocument,
  LabelMatcherDocument,
  LaneDocument,
  MatchDocument,
  PolicyDocument,
  RouteDocument,
} from '../../../../src/policy/document';
import { assumedLanes } from '../../../../src/policy/lanes/assumed-lanes';
import type { Destination, Plan } from '../../../../src/policy/plan';
import { decide } from '../../../../src/policy/routing/decide';
import { explainRouting } from '../../../../src/policy/routing/explain';
import { KEYS, METHODS, soundPolicy, VALUES } from '../arbitrary-policy';
import { environmentOf, inputOf, newOutcome } from './fixture';

const CALLER = 'orders';

/** Which of the values that calls have here are in each range of versions there is. */
const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  '>=5 <10': ['5'],
  '~10.1': [],
  '<5 || 12.x': [],
};

type CallLabels = Readonly<Record<string, string>>;

/** The rules of matching, written again from the document's description: slow, and obvious. */
function holds(matcher: LabelMatcherDocument, value: string | undefined): boolean {
  if (typeof matcher === 'string') return value === matcher;
  const same = (text: string): string => (matcher.ignoreCase === true ? text.toLowerCase() : text);
  return Object.entries(matcher).every(([name, wanted]) => {
    if (name === 'ignoreCase') return true;
    if (name === 'present') return wanted === (value !== undefined);
    if (name === 'not') return !holds(wanted as LabelMatcherDocument, value);
    if (name === 'notIn')
      return value === undefined || !(wanted as string[]).some((text) => same(text) === same(value));
    if (value === undefined) return false;
    if (name === 'exact') return same(value) === same(String(wanted));
    if (name === 'prefix') return same(value).indexOf(same(String(wanted))) === 0;
    if (name === 'suffix') return same(value).endsWith(same(String(wanted)));
    if (name === 'contains') return same(value).indexOf(same(String(wanted))) >= 0;
    if (name === 'in') return (wanted as string[]).some((text) => same(text) === same(value));
    if (name === 'regex') return new RegExp(`^(?:${wanted})$`, matcher.ignoreCase === true ? 'i' : '').test(value);
    if (name === 'range') {
      const [from, to] = wanted as readonly [number, number];
      return /^\d+$/.test(value) && Number.parseInt(value, 10) >= from && Number.parseInt(value, 10) < to;
    }
    if (name === 'version') return VERSIONS[String(wanted)]?.includes(value) === true;
    // Of the values that calls have here, only one is an address, and it is in both of the blocks that there are.
    return name === 'cidr' && value === '10.1.2.3';
  });
}

function matches(
  match: MatchDocument,
  method: string,
  labels: CallLabels,
  sampled: (percent: number, value: string) => boolean,
): boolean {
  const all = (group: Readonly<Record<string, LabelMatcherDocument>>): boolean =>
    Object.entries(group).every(([key, matcher]) => holds(matcher, labels[key]));
  if (match.methods?.some((name) => name === method || (name.endsWith('/') && method.startsWith(name))) === false)
    return false;
  if (match.labels !== undefined && !all(match.labels)) return false;
  if (match.any?.some((group) => all(group.labels)) === false) return false;
  if (match.from?.includes(CALLER) === false) return false;
  if (match.sample === undefined) return true;
  const value = labels[match.sample.by];
  return value !== undefined && sampled(match.sample.percent, value);
}

const call = fc.record({
  method: fc.constantFrom(...METHODS, '/other.C/One'),
  labels: fc.dictionary(fc.constantFrom(...KEYS), fc.constantFrom(...VALUES), { maxKeys: 3 }),
  stickyKey: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
});

/** Those that have instances. */
const LANES = ['a', '5'];

/** Where a call's lane leads to; undefined: the routes decide. */
function laneTarget({ lanes }: PolicyDocument, labels: CallLabels): string | undefined {
  if (lanes === undefined || Array.isArray(lanes)) return undefined;
  const { by, fallback, ends = {} } = lanes as LaneDocument;
  const lane = labels[by] ?? '';
  if (lane === '' || new Map(Object.entries(ends)).get(lane)?.startsWith('2020') === true) return undefined;
  return LANES.includes(lane) ? `lane ${lane}` : fallback;
}

/** What an object says: which subset, of whom, and where calls go first. */
function isDestination(
  to: DestinationDocument,
  { default: base }: PolicyDocument,
  { failover }: RouteDocument,
  { subset, places }: Destination,
): boolean {
  const first = places?.[0]?.[0];
  const local = failover === undefined ? undefined : '';
  if (typeof to === 'string') return to === subset && first === local;
  const { service = 'payments', subset: named, datacenter, peer } = to;
  const name = service === 'payments' ? (named ?? base) : [service, named].filter(Boolean).join('/');
  const place = peer === undefined ? datacenter : `peer ${peer}`;
  return name === subset && first === (place ?? local);
}

function routeOf(document: PolicyDocument, plan: Plan, method: string, labels: CallLabels): number {
  return (document.routes ?? []).findIndex((route, index) =>
    matches(route.match ?? {}, method, labels, (percent, value) => {
      // Shares are judged elsewhere; which values a sample takes only the sample knows.
      const sample = plan.routes[index]?.match?.sample;
      expect(sample?.percent).toBe(percent);
      return percent === 100 || (percent > 0 && sample?.admits(value) === true);
    }),
  );
}

describe('decide', () => {
  it('agrees with a naive reading of the policy, and explain with decide', () => {
    fc.assert(
      fc.property(soundPolicy, fc.array(call, { minLength: 5, maxLength: 20 }), fc.nat(), (document, calls, seed) => {
        const plan = compilePolicy(
          { content: document, format: 'object' },
          { service: 'payments', origin: 'inline', caller: CALLER },
        );
        for (const { stickyKey, ...rest } of calls) {
          const input = inputOf(stickyKey === undefined ? rest : { ...rest, stickyKey });
          const outcome = newOutcome();
          const env = { ...environmentOf(seed), lanes: assumedLanes(plan, LANES) };
          const decision = decide(plan, input, outcome, env);
          const index = routeOf(document, plan, rest.method, rest.labels);
          const route = document.routes?.[index];
          const explained = explainRouting(plan, input, { ...environmentOf(seed), lanes: env.lanes });
          expect(explained.decision).toMatchObject({ route: decision.route, subset: decision.destination.subset });
          const ofLane = laneTarget(document, rest.labels);
          if (ofLane !== undefined) {
            expect(decision).toMatchObject({ by: 'lane', route: 'lane', destination: { subset: ofLane } });
            expect(explained.routes.every(({ result }) => result === 'skipped')).toBe(true);
            continue;
          }
          expect(explained.routes.findIndex((other) => other.result === 'matched')).toBe(index);
          if (route === undefined) {
            expect(decision).toMatchObject({ by: 'default', destination: { subset: document.default } });
            continue;
          }
          expect(decision).toMatchObject({ by: 'route', route: route.name, timeoutMs: route.timeoutMs });
          expect(decision.destination.strict).toBe(route.strict === true);
          const entries = route.split ?? [{ to: route.to, weight: 1 }];
          const chosen = entries.filter(({ to }) => isDestination(to, document, route, decision.destination));
          expect(Math.max(...chosen.map(({ weight }) => weight))).toBeGreaterThan(0);
          const sticky = route.stickBy === undefined ? undefined : (stickyKey ?? rest.labels[route.stickBy]);
          expect(outcome.sticky).toBe(sticky !== undefined && entries.length > 1);
          expect(outcome.bucket >= 0).toBe(entries.length > 1 && (sticky === undefined || entries.length <= 3));
        }
      }),
      { numRuns: 300 },
    );
  });
});
