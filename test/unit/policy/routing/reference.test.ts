import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hash32 } from '../../../../src/base/hash';
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
import { runs } from '../../../support/slice';
import { KEYS, METHODS, soundPolicy, VALUES } from '../arbitrary-policy';
import { environmentOf, inputOf, NOW_MS, newOutcome } from './fixture';

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

/** By the label of the subset; these policies name none themselves. */
function hashIn({ subsets = {} }: PolicyDocument, subset: string, labels: CallLabels): number {
  const value = labels[subsets[subset]?.balancing?.hashBy ?? ''];
  return value === undefined ? -1 : hash32(value, 0) >>> 0;
}

/** Names of the faults in force that concern the call, those of the policy first. */
function faultsOn(
  { faults = [] }: PolicyDocument,
  plan: Plan,
  route: RouteDocument | undefined,
  method: string,
  labels: CallLabels,
): readonly string[] {
  const isOn = ({ until }: { readonly until: string }): boolean => Date.parse(until) > NOW_MS;
  const named = faults.filter(({ name, match = {}, ...fault }) => {
    const sample = plan.faults?.find((each) => each.name === name)?.match?.sample;
    return isOn(fault) && matches(match, method, labels, (_, value) => sample?.admits(value) === true);
  });
  const own = route?.fault !== undefined && isOn(route.fault) ? [`route ${route.name}`] : [];
  return [...named.map(({ name }) => name), ...own];
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
          const { chain } = decision.destination;
          const hashes = chain.map((subset) => hashIn(document, subset, rest.labels));
          expect(outcome.hashes ?? chain.map(() => outcome.hash)).toEqual(hashes);
          const index = routeOf(document, plan, rest.method, rest.labels);
          const route = document.routes?.[index];
          const ofLane = laneTarget(document, rest.labels);
          const own = ofLane === undefined ? route : undefined;
          const concerned = faultsOn(document, plan, own, rest.method, rest.labels);
          expect((outcome.faults ?? []).map(({ name }) => name)).toEqual(concerned);
          const explained = explainRouting(plan, input, { ...environmentOf(seed), lanes: env.lanes });
          expect(explained.decision).toMatchObject({ route: decision.route, subset: decision.destination.subset });
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
          const { subset, places } = decision.destination;
          const isThere = route.mirror?.to === subset && (places?.[0]?.[0] ?? '') === '';
          const copied = isThere ? undefined : route.mirror?.to;
          expect(decision.mirror?.copy.destination).toEqual(
            copied && expect.objectContaining({ subset: copied, strict: true, chain: [copied] }),
          );
          expect(explained.decision.mirror?.to).toBe(copied);
          const entries = route.split ?? [{ to: route.to, weight: 1 }];
          const chosen = entries.filter(({ to }) => isDestination(to, document, route, decision.destination));
          expect(Math.max(...chosen.map(({ weight }) => weight))).toBeGreaterThan(0);
          const sticky = route.stickBy === undefined ? undefined : (stickyKey ?? rest.labels[route.stickBy]);
          expect(outcome.sticky).toBe(sticky !== undefined && entries.length > 1);
          expect(outcome.bucket >= 0).toBe(entries.length > 1 && (sticky === undefined || entries.length <= 3));
        }
      }),
      { numRuns: runs(300) },
    );
  });
});
