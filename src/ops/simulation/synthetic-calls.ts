import type { Random } from '../../base/random';
import type { LabelMatcherDocument } from '../../policy/document';
import { hashLabelsOf } from '../../policy/hash-labels';
import { assumedLanes } from '../../policy/lanes/assumed-lanes';
import type { LaneLookup } from '../../policy/lanes/lane-lookup';
import type { Plan, RoutePlan } from '../../policy/plan';
import type { RoutingInput } from '../../policy/routing/call';
import { isFromCaller } from '../../policy/routing/program';
import { headerMatchers } from '../chain/export-match';
import type { LanesOf } from './simulation';

export interface SyntheticCalls {
  /** The next call, in the same object each time: use it before asking for another. */
  next(): RoutingInput;
  /** Routes of the plan at each position that no synthetic call reaches, by name. */
  readonly unreached: readonly (readonly string[])[];
}

export interface SyntheticOptions {
  readonly random: Random;
  /** Number of different values of the sticky labels. >= 1. */
  readonly callers: number;
  /** The lanes that have instances; default: those that the policy ends. */
  readonly lanesOf?: LanesOf;
}

interface Template {
  readonly method: string;
  /** `undefined` leaves the label out, also where it is a sticky one. */
  readonly labels: ReadonlyMap<string, string | undefined>;
}

const ORDINARY_METHOD = '/synthetic.Service/Method';
const TEMPLATES_PER_ROUTE = 8;
const MOST_LANES = 50;
const ATTEMPTS = 4 * TEMPLATES_PER_ROUTE;

/**
 * Creates synthetic calls that reach every route of some plans. Half of them are ordinary calls with sticky labels
 * alone, the other half is spread evenly over the routes. The real share of a route is only known from recorded calls.
 */
export function createSyntheticCalls(plans: readonly Plan[], options: SyntheticOptions): SyntheticCalls {
  const { random, callers, lanesOf = assumedLanes } = options;
  const pools = poolsOf(plans);
  const methods = [...new Set([...plans.flatMap((plan) => plan.routes.flatMap(methodsOf)), ORDINARY_METHOD])];
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const unreached = plans.map((): string[] => []);
  const templates = plans.flatMap((plan, position) =>
    plan.routes.flatMap((route): Template[] => {
      if (route.match === undefined) return [];
      const attempts = isFromCaller(route, plan) ? ATTEMPTS : 0;
      const made = Array.from({ length: attempts }, () => templateOf(route, pools, pick)).filter(
        (template) => template !== undefined,
      );
      if (made.length === 0) unreached[position]?.push(route.name);
      return made.slice(0, TEMPLATES_PER_ROUTE);
    }),
  );
  templates.push(...plans.flatMap((plan) => laneTemplates(plan, lanesOf(plan))));
  const ordinary = methods.map((method): Template => ({ method, labels: new Map() }));
  const callerKeys = new Set(plans.flatMap(callerKeysOf));
  const names = new Map<number, string>();
  let template: Template = { method: ORDINARY_METHOD, labels: new Map() };
  let caller = '';
  const call: RoutingInput = {
    get method() {
      return template.method;
    },
    labels: {
      get: (key) => (template.labels.has(key) || !callerKeys.has(key) ? template.labels.get(key) : caller),
    },
    stickyKey: undefined,
    force: undefined,
  };
  return {
    unreached,
    next() {
      template = templates.length === 0 || random() < 0.5 ? pick(ordinary) : pick(templates);
      const number = Math.floor(random() * callers);
      caller = names.get(number) ?? `caller-${number}`;
      names.set(number, caller);
      return call;
    },
  };
}

/** Calls to each of the first lanes, and to one that nobody is in. */
function laneTemplates(plan: Plan, lanes: LaneLookup | undefined): readonly Template[] {
  const { dimensions = [] } = plan.lanes ?? {};
  const known = [...(lanes?.lanes.values() ?? [])].slice(0, MOST_LANES).map(({ values }) => values);
  return [...known, ...dimensions.slice(0, 1).map(() => [ORDINARY_VALUE])].map((values) => ({
    method: ORDINARY_METHOD,
    labels: new Map(dimensions.map(({ by }, at) => [by, values[at]])),
  }));
}

function templateOf(
  route: RoutePlan,
  pools: ReadonlyMap<string, readonly string[]>,
  pick: <T>(items: readonly T[]) => T,
): Template | undefined {
  const { match } = route;
  const group = match === undefined || match.any.length === 0 ? [] : pick(match.any);
  const conditions = [...(match?.labels ?? []), ...group];
  const labels = new Map<string, string | undefined>();
  for (const key of new Set(conditions.map((condition) => condition.key))) {
    const wanted = conditions.filter((condition) => condition.key === key);
    const sample = match?.sample?.by === key ? match.sample : undefined;
    // Undefined: without the label.
    const fitting = [...(pools.get(key) ?? []), undefined].filter(
      (value) =>
        wanted.every((condition) => condition.test(value)) &&
        (sample === undefined || (value !== undefined && sample.admits(value))),
    );
    if (fitting.length === 0) return undefined;
    labels.set(key, pick(fitting));
  }
  const methods = methodsOf(route).filter((method) => match?.path?.test(method) !== false);
  if (methods.length === 0 && match?.path?.test(ORDINARY_METHOD) === false) return undefined;
  return { method: methods.length === 0 ? ORDINARY_METHOD : pick(methods), labels };
}

function methodsOf({ match }: RoutePlan): readonly string[] {
  if (match === undefined) return [];
  const { exact = [], prefixes = [] } = match.methods ?? {};
  return [...exact, ...prefixes.map((prefix) => (prefix === '/' ? ORDINARY_METHOD : `${prefix}Any`))];
}

function callerKeysOf(plan: Plan): readonly string[] {
  const keys = plan.routes.flatMap(({ match, split }) => [match?.sample?.by, split.stickBy]);
  return [...keys, ...hashLabelsOf(plan)].filter((key) => key !== undefined);
}

function poolsOf(plans: readonly Plan[]): ReadonlyMap<string, readonly string[]> {
  const pools = new Map<string, Set<string>>();
  const take = (labels: Readonly<Record<string, LabelMatcherDocument>> = {}): void => {
    for (const [name, matcher] of Object.entries(labels)) {
      const key = name.toLowerCase();
      const pool = pools.get(key) ?? new Set([ORDINARY_VALUE]);
      pools.set(key, pool);
      for (const value of valuesAround(matcher)) pool.add(value);
    }
  };
  for (const plan of plans) {
    for (const { match } of plan.document?.routes ?? []) {
      take(match?.labels);
      for (const group of match?.any ?? []) take(group.labels);
    }
    for (const [key, matcher] of plan.chain === undefined ? [] : headerMatchers(plan.chain)) take({ [key]: matcher });
  }
  return new Map([...pools].map(([key, pool]) => [key, [...pool]]));
}

/** A value that no condition was written for. */
const ORDINARY_VALUE = 'ordinary';

/**
 * Values that a matcher accepts and values that it refuses, as far as the matcher shows them. The caller tests which is
 * which.
 */
function valuesAround(matcher: LabelMatcherDocument): readonly string[] {
  if (typeof matcher === 'string') return [matcher];
  const { exact, prefix, suffix, contains, regex, range, version, cidr, not } = matcher;
  const values: string[] = [...(matcher.in ?? []), ...(matcher.notIn ?? [])];
  if (exact !== undefined) values.push(exact);
  if (prefix !== undefined) values.push(prefix, `${prefix}x`);
  if (suffix !== undefined) values.push(suffix, `x${suffix}`);
  if (contains !== undefined) values.push(contains, `x${contains}x`);
  // Several conditions on one value at once.
  values.push(`${prefix ?? ''}${contains ?? ''}${suffix ?? ''}`);
  if (regex !== undefined) values.push(sampleOfRegex(regex));
  if (range !== undefined) values.push(String(Math.ceil(range[0])), String(Math.ceil(range[1]) - 1));
  if (version !== undefined) values.push(...versionsAround(version));
  if (cidr !== undefined) for (const block of [cidr].flat()) values.push(block.split('/')[0] ?? block);
  if (not !== undefined) values.push(...valuesAround(not));
  return values;
}

/** Each version of a range, one above it and one below. */
function versionsAround(range: string): readonly string[] {
  const written = range.match(/\d[^\s|<>=~^]*/g) ?? [];
  return written.flatMap((each) => {
    const version = each.replace(/\.x$/i, '');
    const [major = '0'] = version.split('.');
    return [version, `${version.split('-')[0]}.1`, String(Number(major) + 1), String(Math.max(0, Number(major) - 1))];
  });
}

/**
 * A text that a common regular expression matches: classes give their first character, groups their first alternative,
 * `*` and `?` nothing, `+` and `{n}` the least number. For rarer expressions the text may be wrong; the caller tests
 * it.
 */
export function sampleOfRegex(source: string): string {
  let at = 0;
  const atom = (): string => {
    const char = source[at] ?? '';
    at += 1;
    if (char === '(') {
      if (source.startsWith('?', at)) at = source.indexOf(':', at) + 1 || at;
      const inner = alternatives();
      at += 1;
      return inner;
    }
    if (char === '[') return characterOfClass();
    if (char === '\\') return escaped();
    if (char === '.') return 'a';
    return char === '^' || char === '$' ? '' : char;
  };
  const escaped = (): string => {
    const char = source[at] ?? '';
    at += 1;
    return { d: '5', w: 'a', s: ' ', D: 'a', W: '-', S: 'a', b: '' }[char] ?? char;
  };
  const characterOfClass = (): string => {
    const isNegated = source[at] === '^';
    if (isNegated) at += 1;
    let first: string | undefined;
    do {
      const isEscaped = source[at] === '\\';
      if (isEscaped) at += 1;
      const char = isEscaped ? escaped() : (source[at] ?? '');
      if (!isEscaped) at += 1;
      first ??= char;
    } while (at < source.length && source[at] !== ']');
    at += 1;
    return isNegated ? (first === 'z' ? 'y' : 'z') : (first ?? '');
  };
  const repeated = (text: string): string => {
    const quantifier = /^(?:[*+?]|\{(\d+)[^}]*\})\??/.exec(source.slice(at));
    if (quantifier === null) return text;
    at += quantifier[0].length;
    return text.repeat(quantifier[1] === undefined ? Number(quantifier[0].startsWith('+')) : Number(quantifier[1]));
  };
  const sequence = (): string => {
    let text = '';
    while (at < source.length && source[at] !== '|' && source[at] !== ')') text += repeated(atom());
    return text;
  };
  const alternatives = (): string => {
    const first = sequence();
    while (source[at] === '|') {
      at += 1;
      sequence();
    }
    return first;
  };
  return alternatives();
}
