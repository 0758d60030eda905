import { nearest } from '../../base/spelling';
import { isLaneSubset, laneSubset } from '../lanes/lane-plan';
import { ALL_INSTANCES } from '../plan';
import { type DocumentPath, MISSING, note, type ProblemList } from '../problems';
import type { CheckedPolicy } from './checked';
import { checkDestination, fallbackOf, ownSubsetOf, subsetElsewhere } from './destinations';
import { dimensionsOf } from './lanes';

/** A message names no more, and looks for slips of the pen among no more. */
const NAMES_SHOWN = 20;

/** Every name of a subset must exist, a `default` must be given where there is a choice, fallbacks must end. */
export function checkReferences(document: CheckedPolicy, problems: ProblemList): void {
  const { subsets = {}, routes = [], override, faults = [] } = document;
  const names = Object.keys(subsets);
  const listed = names.slice(0, NAMES_SHOWN);
  const more = names.length > NAMES_SHOWN ? ', ...' : '';
  const expected = names.length === 0 ? 'a name under subsets, which has none' : `one of ${listed.join(', ')}${more}`;

  const check = (name: string | undefined, ...path: DocumentPath): void => {
    if (name === undefined || Object.hasOwn(subsets, name)) return;
    if (names.length === 0 && name === ALL_INSTANCES) return;
    const meant = problems.isFull ? undefined : nearest(name, listed);
    problems.report(path, name, meant === undefined ? expected : `${expected}; did you mean ${meant}?`);
  };

  const checkTo = (to: Parameters<typeof ownSubsetOf>[0], ...path: DocumentPath): void => {
    checkDestination(to, path, problems);
    const own = ownSubsetOf(to, path, document);
    check(own?.name, ...(own?.path ?? path));
    if (typeof to === 'object') check(to.fallback, ...path, 'fallback');
  };

  const checkFaulted = (to: Parameters<typeof ownSubsetOf>[0], ...path: DocumentPath): void => {
    if (typeof to === 'string' && isLaneSubset(to) && to !== laneSubset('')) {
      if (document.lanes === undefined) problems.report(path, to, `${expected}; the policy has no lanes`);
      return;
    }
    checkTo(to, ...path);
    const other = subsetElsewhere(to, document);
    if (other === undefined) return;
    const known = subsetsElsewhere(document);
    if (known.has(other)) return;
    const there = known.size === 0 ? 'none' : [...known].slice(0, NAMES_SHOWN).join(', ');
    const instead = 'for all of its callers a fault in its own policy';
    problems.report(path, note(other), `one that a route, a fallback or the override leads to: ${there}; ${instead}`);
  };

  check(document.default, 'default');
  if (names.length > 1 && !('default' in document)) {
    problems.report(['default'], MISSING, `${expected}: where calls go that no route matches`);
  }
  checkTo(override?.to, 'override', 'to');
  for (const { written, path } of dimensionsOf(document)) check(written.fallback, ...path, 'fallback');
  for (const [index, fault] of faults.entries()) checkFaulted(fault?.in, 'faults', index, 'in');
  const settled = new Set<string>();
  for (const name of names) {
    checkTo(subsets[name]?.fallback, 'subsets', name, 'fallback');
    check(subsets[name]?.guard?.against, 'subsets', name, 'guard', 'against');
  }
  for (const name of names) {
    // Each cycle is reported once, at its first subset in the document's order.
    const trail = new Set<string>();
    let current: string | undefined = name;
    while (current !== undefined && Object.hasOwn(subsets, current) && !settled.has(current) && !trail.has(current)) {
      trail.add(current);
      current = fallbackOf(subsets[current]?.fallback, document);
    }
    if (current !== undefined && trail.has(current)) {
      const steps = [...trail];
      const cycle = [...steps.slice(steps.indexOf(current)), current].join(' -> ');
      problems.report(['subsets', current, 'fallback'], note(cycle), 'fallbacks that end');
    }
    for (const seen of trail) settled.add(seen);
  }
  for (const [index, route] of routes.entries()) {
    checkTo(route?.to, 'routes', index, 'to');
    checkTo(route?.mirror?.to, 'routes', index, 'mirror', 'to');
    for (const [at, entry] of (route?.split ?? []).entries()) checkTo(entry?.to, 'routes', index, 'split', at, 'to');
  }
}

/** Subsets of other services that calls may be sent to, as plans call them. Copies are no calls. */
function subsetsElsewhere(document: CheckedPolicy): ReadonlySet<string> {
  const { routes = [], subsets = {}, override } = document;
  const all = [
    ...routes.flatMap((route) => [route?.to, ...(route?.split ?? []).map((entry) => entry?.to)]),
    ...Object.values(subsets).map((subset) => subset?.fallback),
    override?.to,
  ];
  return new Set(all.flatMap((to) => subsetElsewhere(to, document) ?? []));
}
