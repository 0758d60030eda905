import { isRecord } from '../../base/is-record';
import { nearest } from '../../base/spelling';
import { ownValue } from '../plain-data';
import { ALL_INSTANCES } from '../plan';
import { type DocumentPath, MISSING, note, type ProblemList } from '../problems';

/** A message names no more, and looks for slips of the pen among no more. */
const NAMES_SHOWN = 20;

/** Every name of a subset must exist, a `default` must be given where there is a choice, fallbacks must end. */
export function checkReferences(document: unknown, problems: ProblemList): void {
  const subsets = ownValue(document, 'subsets');
  const names = isRecord(subsets) ? Object.keys(subsets) : [];
  const known = new Set(names);
  const listed = names.slice(0, NAMES_SHOWN);
  const more = names.length > NAMES_SHOWN ? ', ...' : '';
  const expected = names.length === 0 ? 'a name under subsets, which has none' : `one of ${listed.join(', ')}${more}`;

  const check = (holder: unknown, key: string, path: DocumentPath): void => {
    const name = ownValue(holder, key);
    if (typeof name !== 'string' || known.has(name)) return;
    if (names.length === 0 && name === ALL_INSTANCES) return;
    const meant = problems.isFull ? undefined : nearest(name, listed);
    problems.report([...path, key], name, meant === undefined ? expected : `${expected}; did you mean ${meant}?`);
  };

  check(document, 'default', []);
  if (names.length > 1 && ownValue(document, 'default') === undefined) {
    problems.report(['default'], MISSING, `${expected}: where calls go that no route matches`);
  }
  check(ownValue(document, 'override'), 'to', ['override']);
  for (const name of names) {
    const subset = ownValue(subsets, name);
    check(subset, 'fallback', ['subsets', name]);
    check(ownValue(subset, 'guard'), 'against', ['subsets', name, 'guard']);
  }
  checkFallbackCycles(subsets, known, problems);

  const routes = ownValue(document, 'routes');
  for (const [index, route] of listOf(routes).entries()) {
    check(route, 'to', ['routes', index]);
    for (const [entry, item] of listOf(ownValue(route, 'split')).entries()) {
      check(item, 'to', ['routes', index, 'split', entry]);
    }
  }
}

/** Reports each cycle once, at its first subset in the document's order. */
function checkFallbackCycles(subsets: unknown, names: ReadonlySet<string>, problems: ProblemList): void {
  const settled = new Set<string>();
  for (const name of names) {
    const trail = new Set<string>();
    let current: unknown = name;
    while (typeof current === 'string' && names.has(current) && !settled.has(current) && !trail.has(current)) {
      trail.add(current);
      current = ownValue(ownValue(subsets, current), 'fallback');
    }
    if (typeof current === 'string' && trail.has(current)) {
      const steps = [...trail];
      const cycle = [...steps.slice(steps.indexOf(current)), current].join(' -> ');
      problems.report(['subsets', current, 'fallback'], note(cycle), 'fallbacks that end');
    }
    for (const seen of trail) settled.add(seen);
  }
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
