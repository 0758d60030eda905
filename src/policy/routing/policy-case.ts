import { isRecord } from '../../base/is-record';
import { SERVICE_NAME } from '../../base/names';
import { isLaneSubset } from '../lanes/lane-plan';
import type { Plan } from '../plan';
import type { RoutingExplanation } from './explain';

/** A call and where it should go. At least one of `subset`, `route` and `shares`. */
export interface PolicyCase {
  /** Default: made of method and labels. */
  readonly name?: string;
  /** `/package.Service/Method`. Default: one that no route names. */
  readonly method?: string;
  /** Labels of the call. Default: none. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Sticky value, in place of a label's. Default: none. */
  readonly stickyKey?: string;
  /**
   * Lanes that have instances, where the policy has lanes; `a, eu` for several dimensions. Default: those that the
   * policy ends. The subset of a lane is `lane NAME`.
   */
  readonly lanes?: readonly string[];
  /** The name that the calling client states of itself (`serviceName`), for routes with `from`. Default: none. */
  readonly from?: string;
  /** Values of the lists that matchers name, beside those of the whole table. Default: a list has none. */
  readonly lists?: Readonly<Record<string, readonly string[]>>;
  /** Where the call goes. A call that goes by chance has no one subset: expect `shares` of it. */
  readonly subset?: string;
  /** Name of the route that takes it; `default` and `override` stand for themselves. */
  readonly route?: string;
  /** Percent by subset, of the split that the call meets. */
  readonly shares?: Readonly<Record<string, number>>;
}

/** What a call is expected to do; what is left out is not compared. */
export type ExpectedDecision = Pick<PolicyCase, 'subset' | 'route' | 'shares'>;

export const CASE_METHOD = '/example.Service/Method';
const KEYS = ['name', 'method', 'labels', 'stickyKey', 'from', 'lanes', 'lists', 'subset', 'route', 'shares'];
/** Buckets are a hundredth of a percent. */
const TOLERANCE = 0.011;

export function nameOfCase({ name, method, labels = {}, stickyKey, from }: PolicyCase): string {
  if (name !== undefined) return name;
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const parts = [
    method,
    ...pairs,
    stickyKey === undefined ? undefined : `sticky key ${stickyKey}`,
    from && `from ${from}`,
  ];
  return parts.filter((part) => part !== undefined && part !== '').join(' ') || 'a call without labels';
}

/** What is wrong with how a call was decided, and why it was decided so; undefined when it is as expected. */
export function judgeDecision(found: RoutingExplanation, expected: ExpectedDecision): string | undefined {
  const { decision } = found;
  const split = splitOf(found);
  const isByChance = !found.sticky && split.length > 1;
  const problems: string[] = [];
  if (expected.route !== undefined && expected.route !== decision.route) {
    problems.push(`route: ${decision.route} (expected: ${expected.route})`);
  }
  if (expected.subset !== undefined) {
    if (isByChance && decision.by === 'route') {
      problems.push(
        `subset: by chance, ${shown(split)} (expected: ${expected.subset}; give the label that ${decision.route} sticks by, ` +
          'or expect shares)',
      );
    } else if (decision.subset !== expected.subset) {
      problems.push(`subset: ${decision.subset} (expected: ${expected.subset})`);
    }
  }
  if (expected.shares !== undefined && !areShares(split, expected.shares)) {
    const wanted = Object.entries(expected.shares).map(([to, percent]) => ({ to, percent }));
    problems.push(`shares: ${shown(split)} (expected: ${shown(wanted)})`);
  }
  if (problems.length === 0) return undefined;
  const missed = found.routes.filter(({ result }) => result === 'missed');
  const why = missed.map(({ name, reason }) => `\n  ${name} did not match: ${reason}`).join('');
  return `${problems.join('; ')}; decided by ${decision.by} ${decision.route}${why}`;
}

/** Every problem of a table of cases, as `cases[3].subset: ...`; empty when it may be used. */
export function problemsOfCases(value: unknown, plan: Pick<Plan, 'subsets' | 'lists'>): readonly string[] {
  if (!Array.isArray(value)) return [`cases: ${JSON.stringify(value) ?? 'missing'} (expected: a list)`];
  if (value.length === 0) return ['cases: none (expected: at least one)'];
  return value.flatMap((one: unknown, at) => problemsOfCase(one, `cases[${at}]`, plan));
}

/** Every problem of the lists that a table, or one of its cases, gives. */
export function problemsOfLists(value: unknown, path: string, { lists = [] }: Pick<Plan, 'lists'>): readonly string[] {
  if (value === undefined) return [];
  if (!isRecord(value)) return [`${path}: ${JSON.stringify(value)} (expected: a list of texts for each name)`];
  const expected = lists.length === 0 ? 'none, as the policy names none' : `one of ${lists.join(', ')}`;
  return Object.entries(value).flatMap(([name, values]) => {
    if (!lists.includes(name)) return [`${path}.${name}: this list (expected: ${expected})`];
    const areTexts = Array.isArray(values) && values.every((each) => typeof each === 'string');
    return areTexts ? [] : [`${path}.${name}: ${JSON.stringify(values)} (expected: a list of texts)`];
  });
}

function problemsOfCase(one: unknown, path: string, plan: Pick<Plan, 'subsets' | 'lists'>): readonly string[] {
  const subsets = [...plan.subsets.keys()];
  if (!isRecord(one)) return [`${path}: ${JSON.stringify(one)} (expected: a case such as {labels, subset})`];
  const problems: string[] = [];
  const expect = (key: string, isRight: boolean, expected: string): void => {
    if (!isRight) problems.push(`${path}.${key}: ${JSON.stringify(one[key]) ?? 'missing'} (expected: ${expected})`);
  };
  for (const key of Object.keys(one)) expect(key, KEYS.includes(key), `one of ${KEYS.join(', ')}`);
  for (const key of ['name', 'stickyKey', 'route', 'subset']) {
    expect(key, one[key] === undefined || typeof one[key] === 'string', 'a string');
  }
  const { method, labels = {}, subset, shares } = one;
  expect('method', method === undefined || /^\/[^/]+\/[^/]+$/.test(String(method)), '/package.Service/Method');
  const areLabels = isRecord(labels) && Object.values(labels).every((label) => typeof label === 'string');
  expect('labels', areLabels, 'strings by key');
  const known = subsets.join(', ');
  const { lanes = [] } = one;
  expect('lanes', Array.isArray(lanes) && lanes.every((lane) => typeof lane === 'string'), 'a list of lanes');
  const isKnown = typeof subset !== 'string' || subsets.includes(subset) || isLaneSubset(subset);
  expect('subset', isKnown, `one of ${known}`);
  const { from } = one;
  const isName = typeof from === 'string' && SERVICE_NAME.test(from);
  expect('from', from === undefined || isName, 'the name of a service');
  problems.push(...problemsOfLists(one['lists'], `${path}.lists`, plan));
  const right = isRecord(shares) && Object.values(shares).every((share) => typeof share === 'number');
  expect('shares', shares === undefined || right, 'percent by subset');
  if (isRecord(shares)) {
    for (const name of Object.keys(shares)) expect('shares', subsets.includes(name), `subsets, of ${known}`);
  }
  if (subset === undefined && shares === undefined && one['route'] === undefined) {
    problems.push(`${path}: nothing expected (expected: subset, route or shares)`);
  }
  return problems;
}

type Share = { readonly to: string; readonly percent: number };

function splitOf({ routes, decision }: RoutingExplanation): readonly Share[] {
  const matched = decision.by === 'route' ? routes.find(({ result }) => result === 'matched') : undefined;
  return matched?.split ?? [{ to: decision.subset, percent: 100 }];
}

function areShares(split: readonly Share[], wanted: Readonly<Record<string, number>>): boolean {
  const names = new Set([...split.map(({ to }) => to), ...Object.keys(wanted)]);
  return [...names].every((name) => {
    const percent = split.find(({ to }) => to === name)?.percent ?? 0;
    return Math.abs(percent - (Object.hasOwn(wanted, name) ? (wanted[name] ?? 0) : 0)) <= TOLERANCE;
  });
}

function shown(split: readonly Share[]): string {
  return split.map(({ to, percent }) => `${to} ${percent} %`).join(', ');
}
