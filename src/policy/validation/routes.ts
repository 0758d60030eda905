import { isRecord } from '../../base/is-record';
import { nearest } from '../../base/spelling';
import { ownValue } from '../plain-data';
import { type DocumentPath, note, type ProblemList } from '../problems';
import { checkLabelKey, checkMatch } from './matches';
import { listOf } from './references';
import { checkRetry } from './tuning';

/** What a schema cannot say of the routes, each by itself and against the others. */
export function checkRoutes(routes: unknown, problems: ProblemList): void {
  const names = new Map<string, number>();
  for (const [index, route] of listOf(routes).entries()) {
    const path = ['routes', index];
    const name = ownValue(route, 'name');
    if (typeof name === 'string') {
      const first = names.get(name);
      if (first === undefined) names.set(name, index);
      else problems.report([...path, 'name'], name, `a name of its own; routes[${first}] has this one`);
    }
    checkMatch(ownValue(route, 'match'), [...path, 'match'], problems);
    checkLabelKey(ownValue(route, 'stickBy'), [...path, 'stickBy'], problems);
    checkRetry(ownValue(route, 'retry'), [...path, 'retry'], problems);
    if (ownValue(route, 'hedging') !== undefined && ownValue(route, 'retry') !== undefined) {
      problems.report([...path, 'hedging'], note('beside retry'), 'one of hedging and retry');
    }
    checkSplit(ownValue(route, 'split'), [...path, 'split'], problems);
  }
}

function checkSplit(split: unknown, path: DocumentPath, problems: ProblemList): void {
  const entries = listOf(split).filter(isRecord);
  if (entries.length === 0) return;
  if (entries.every((entry) => entry['weight'] === 0)) {
    problems.report(path, note('all weights 0'), 'at least one weight > 0');
  }
  const seen = new Set<unknown>();
  for (const [index, entry] of listOf(split).entries()) {
    const to = ownValue(entry, 'to');
    if (typeof to !== 'string') continue;
    if (seen.has(to)) problems.report([...path, index, 'to'], to, 'each subset once in a split');
    seen.add(to);
  }
}

/** A slip of the pen is looked for in no policy that reads more labels: each would be held against all others. */
const MOST_LABELS = 100;

/** Warns of `stickBy` labels that no call of their route bears: the split then goes by chance, without any sign. */
export function warnOfUnseenStickiness(routes: unknown, warnings: ProblemList): void {
  const list = listOf(routes);
  const takers = new Map<string, string>();
  let readers: Readers | undefined;
  for (const [index, route] of list.entries()) {
    const stickBy = ownValue(route, 'stickBy');
    if (typeof stickBy === 'string') {
      readers ??= readersOf(list);
      const advice = adviceOn(stickBy.toLowerCase(), route, takers, readers);
      if (advice !== undefined) warnings.report(['routes', index, 'stickBy'], stickBy, advice);
    }
    const taken = takesAllWith(route);
    if (taken !== undefined && !takers.has(taken)) takers.set(taken, String(ownValue(route, 'name')));
  }
}

function adviceOn(
  label: string,
  route: unknown,
  takers: ReadonlyMap<string, string>,
  readers: Readers,
): string | undefined {
  const wanted = 'a label that calls of this route bear';
  if (ownValue(matcherOf(route, label), 'present') === false) return `${wanted}; its match asks that it be absent`;
  const taker = takers.get(label);
  if (taker !== undefined) return `${wanted}; the route ${taker} takes all that do`;
  // Once by the `stickBy` in question.
  if (readers.get(label) !== 1) return undefined;
  const others = [...readers.keys()].filter((other) => other !== label);
  const meant = others.length > MOST_LABELS ? undefined : nearest(label, others);
  return meant === undefined ? undefined : `${wanted}; no other part of the policy reads it, did you mean ${meant}?`;
}

/** The label whose bearers never get beyond this route, whatever else they are. */
function takesAllWith(route: unknown): string | undefined {
  const match = ownValue(route, 'match');
  const labels = ownValue(match, 'labels');
  if (!isRecord(match) || !isRecord(labels) || Object.keys(match).length !== 1) return undefined;
  const [entry, ...more] = Object.entries(labels);
  if (entry === undefined || more.length > 0) return undefined;
  const [key, matcher] = entry;
  const isPresence = isRecord(matcher) && Object.keys(matcher).length === 1 && matcher['present'] === true;
  return isPresence ? key.toLowerCase() : undefined;
}

function matcherOf(route: unknown, label: string): unknown {
  const labels = ownValue(ownValue(route, 'match'), 'labels');
  if (!isRecord(labels)) return undefined;
  return Object.entries(labels).find(([key]) => key.toLowerCase() === label)?.[1];
}

/** How often the routes read each label, in the order in which they first do. */
type Readers = ReadonlyMap<string, number>;

function readersOf(routes: readonly unknown[]): Readers {
  const readers = new Map<string, number>();
  for (const label of routes.flatMap(labelsOf)) readers.set(label, (readers.get(label) ?? 0) + 1);
  return readers;
}

function labelsOf(route: unknown): readonly string[] {
  const match = ownValue(route, 'match');
  const groups = [match, ...listOf(ownValue(match, 'any'))].map((group) => ownValue(group, 'labels'));
  const keys = groups.flatMap((group) => (isRecord(group) ? Object.keys(group) : []));
  const single = [ownValue(ownValue(match, 'sample'), 'by'), ownValue(route, 'stickBy')];
  return [...keys, ...single.filter((key) => typeof key === 'string')].map((key) => key.toLowerCase());
}
