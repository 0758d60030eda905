import { nearest } from '../../base/spelling';
import type { RouteDocument } from '../document';
import { MAX_LISTS } from '../limits';
import { namedLists } from '../named-lists';
import { note, type ProblemList } from '../problems';
import type { Checked, CheckedPolicy } from './checked';
import { checkFailover, meaningOf } from './destinations';
import { checkLabelKey, checkMatch } from './matches';
import { checkMirror } from './mirrors';
import { checkName } from './values';

type Routes = NonNullable<CheckedPolicy['routes']>;

/** What a schema cannot say of the routes, each by itself and against the others. */
export function checkRoutes(document: CheckedPolicy, problems: ProblemList): void {
  const { routes = [] } = document;
  const lists = namedLists(document);
  if (lists.length > MAX_LISTS)
    problems.report(['routes'], note(`${lists.length} lists`), `at most ${MAX_LISTS} lists`);
  const names = new Map<string, number>();
  for (const [index, route] of routes.entries()) {
    if (route === undefined) continue;
    const { name, match, stickBy, failover, split = [] } = route;
    const path = ['routes', index];
    checkName(name, names, 'routes', index, problems);
    if (match !== undefined) checkMatch(match, [...path, 'match'], problems);
    if (stickBy !== undefined) checkLabelKey(stickBy, [...path, 'stickBy'], problems);
    if (failover !== undefined) checkFailover(failover, [...path, 'failover'], problems);
    if ('hedging' in route && 'retry' in route) {
      problems.report([...path, 'hedging'], note('beside retry'), 'one of hedging and retry');
    }
    checkMirror(route, document, [...path, 'mirror'], problems);
    if (split.length === 0) continue;
    if (split.every((entry) => entry?.weight === 0)) {
      problems.report([...path, 'split'], note('all weights 0'), 'at least one weight > 0');
    }
    const seen = new Set<string>();
    for (const [at, { to } = {}] of split.entries()) {
      const meaning = meaningOf(to, document);
      if (meaning === undefined) continue;
      if (seen.has(meaning)) problems.report([...path, 'split', at, 'to'], to, 'each subset once in a split');
      seen.add(meaning);
    }
  }
}

/** A slip of the pen is looked for in no policy that reads more labels: each would be held against all others. */
const MOST_LABELS = 30;

/** Warns of `stickBy` labels that no call of their route bears: the split then goes by chance, without any sign. */
export function warnOfUnseenStickiness({ routes = [] }: CheckedPolicy, warnings: ProblemList): void {
  if (!routes.some((route) => route?.stickBy !== undefined)) return;
  /** By label the route that takes all calls which bear it. */
  const takers = new Map<string, string>();
  const readers = readersOf(routes);
  for (const [index, route] of routes.entries()) {
    const label = route?.stickBy?.toLowerCase();
    if (label !== undefined) {
      const advice = adviceOn(label, route?.match?.labels ?? {}, takers, readers);
      if (advice !== undefined) {
        const expected = `a label that calls of this route bear; ${advice}`;
        warnings.report(['routes', index, 'stickBy'], route?.stickBy, expected);
      }
    }
    const taken = takesAllWith(route?.match);
    if (taken !== undefined && !takers.has(taken)) takers.set(taken, String(route?.name));
  }
}

type Match = Checked<NonNullable<RouteDocument['match']>>;

function adviceOn(
  label: string,
  labels: NonNullable<Match['labels']>,
  takers: ReadonlyMap<string, string>,
  readers: ReadonlyMap<string, number>,
): string | undefined {
  const matcher = Object.entries(labels).find(([key]) => key.toLowerCase() === label)?.[1];
  if (typeof matcher === 'object' && matcher.present === false) return 'its match asks that it be absent';
  const taker = takers.get(label);
  if (taker !== undefined) return `the route ${taker} takes all that do`;
  // Once by the `stickBy` in question.
  if (readers.get(label) !== 1 || readers.size > MOST_LABELS + 1) return undefined;
  const meant = nearest(
    label,
    [...readers.keys()].filter((other) => other !== label),
  );
  return meant === undefined ? undefined : `no other part of the policy reads it, did you mean ${meant}?`;
}

/** The label whose bearers never get beyond this route, whatever else they are. */
function takesAllWith(match: Match | undefined): string | undefined {
  const [[key, matcher] = [], ...more] = Object.entries(match?.labels ?? {});
  if (match === undefined || Object.keys(match).length > 1 || more.length > 0) return undefined;
  const isPresence = typeof matcher === 'object' && Object.keys(matcher).length === 1 && matcher.present === true;
  return isPresence ? key?.toLowerCase() : undefined;
}

/** How often the routes read each label, in the order in which they first do. */
function readersOf(routes: Routes): ReadonlyMap<string, number> {
  const readers = new Map<string, number>();
  for (const route of routes) {
    const { match, stickBy } = route ?? {};
    const groups = [match, ...(match?.any ?? [])].flatMap((group) => Object.keys(group?.labels ?? {}));
    for (const key of [...groups, match?.sample?.by, stickBy]) {
      if (key !== undefined) readers.set(key.toLowerCase(), (readers.get(key.toLowerCase()) ?? 0) + 1);
    }
  }
  return readers;
}
