import type { LabelMatcherDocument, MatchDocument } from './document';
import type { Checked, CheckedPolicy } from './validation/checked';

/** Names of the lists of values that the matchers of a document name, each once. */
export function namedLists({ routes = [], faults = [] }: Pick<CheckedPolicy, 'routes' | 'faults'>): readonly string[] {
  const names = new Set<string>();
  for (const each of [...routes, ...faults]) addOfMatch(each?.match, names);
  return [...names];
}

function addOfMatch(match: Checked<MatchDocument> | undefined, names: Set<string>): void {
  for (const group of [match, ...(match?.any ?? [])]) {
    for (const matcher of Object.values(group?.labels ?? {})) addOfMatcher(matcher, names);
  }
}

function addOfMatcher(matcher: Checked<LabelMatcherDocument> | undefined, names: Set<string>): void {
  if (typeof matcher !== 'object') return;
  for (const name of [matcher.list ?? []].flat()) if (name !== undefined) names.add(name);
  addOfMatcher(matcher.not, names);
}
