import { META_KEY } from '../../base/names';
import { fieldFault } from '../filter/filter-fields';
import { parseFilter } from '../filter/parse-filter';
import { note, type ProblemList } from '../problems';
import type { CheckedPolicy } from './checked';
import { checkBalancing, checkBreakers, checkOrder } from './tuning';

type Subset = NonNullable<NonNullable<CheckedPolicy['subsets']>[string]>;

/** What a schema cannot say of subsets. */
export function checkSubsets({ subsets = {} }: CheckedPolicy, problems: ProblemList, warnings: ProblemList): void {
  const names = Object.keys(subsets);
  for (const name of names) {
    const subset = subsets[name] ?? {};
    const { tags = [], notTags = [], meta = {}, filter, port, guard, fallbackMaxPercentage: most } = subset;
    const path = ['subsets', name];
    if (filter !== undefined && filter !== '') checkFilter(filter, [...path, 'filter'], problems, warnings);
    checkBreakers(subset, path, problems);
    if (most !== undefined && !('fallback' in subset)) {
      problems.report([...path, 'fallbackMaxPercentage'], most, 'nothing, or a fallback beside it');
    }
    if (guard !== undefined) checkGuard(guard, name, subset, problems);
    if (subset.balancing !== undefined) checkBalancing(subset.balancing, [...path, 'balancing'], problems);
    // Beside other subsets, one that takes every instance is most likely a slip: it includes the canaries.
    const isOpen = tags.length + notTags.length + Object.keys(meta).length === 0 && port === undefined;
    checkTags(tags, notTags, path, problems, warnings);
    if (isOpen && filter === undefined && names.length > 1) {
      warnings.report(path, note('every instance'), 'tags, meta or a filter that tell it apart');
    }
    for (const [key, value] of Object.entries(meta)) {
      if (META_KEY.test(key)) continue;
      // A warning: instances that are listed in code or in a file may have `app.kubernetes.io/version`.
      const expected =
        'a key of letters, digits, "-" and "_": Consul takes no other, so no instance of it has this one';
      warnings.report([...path, 'meta', key], value, expected);
    }
  }
}

/** `!canary` is the name of a tag, too, but hardly ever meant as one. */
function checkTags(
  tags: readonly (string | undefined)[],
  notTags: readonly (string | undefined)[],
  path: readonly string[],
  problems: ProblemList,
  warnings: ProblemList,
): void {
  for (const [index, tag] of tags.entries()) {
    if (tag?.startsWith('!') !== true) continue;
    const meant = `a tag that instances have; notTags: [${tag.slice(1)}] asks that they do not have it`;
    warnings.report([...path, 'tags', index], tag, meant);
  }
  for (const [index, tag] of notTags.entries()) {
    if (tag !== undefined && tags.includes(tag)) {
      problems.report([...path, 'notTags', index], tag, 'a tag that is not in tags: no instance can meet both');
    }
  }
}

/** It sheds, so there must be a fallback to shed to; and a subset cannot be compared with itself. */
function checkGuard(guard: NonNullable<Subset['guard']>, name: string, subset: Subset, problems: ProblemList): void {
  const path = ['subsets', name, 'guard'];
  if (!('fallback' in subset)) {
    problems.report(path, note('without a fallback'), 'nothing, or a fallback beside it that takes the calls');
  }
  if (guard.against === name) problems.report([...path, 'against'], name, 'another subset');
  checkOrder(guard, 'holdMs', 'maxHoldMs', path, problems);
}

/** A filter must be an expression that Consul can read: one that Consul refuses leaves its subset empty. */
function checkFilter(filter: string, path: readonly string[], problems: ProblemList, warnings: ProblemList): void {
  const parsed = parseFilter(filter);
  if ('at' in parsed) {
    problems.report(path, note(`${parsed.found} at character ${parsed.at}`), parsed.expected);
    return;
  }
  for (const match of parsed.matches) {
    const fault = fieldFault(match);
    if (fault !== undefined) (fault.isCertain ? problems : warnings).report(path, note(fault.found), fault.expected);
  }
}
