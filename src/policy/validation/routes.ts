import { isRecord } from '../../base/is-record';
import type { DocumentPath } from '../document-path';
import { ownValue } from '../plain-data';
import { note, type ProblemList } from '../problems';
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
