import { BUCKETS, bucketOfHash, hash32, seedOf } from '../base/hash';
import type { LabelMatcherDocument, MatchDocument } from './document';
import { compileMatcher, describeMatcher } from './matchers/matcher';
import { MethodSet } from './method-set';
import type { LabelCondition, MatchPlan, SamplePlan } from './plan';
import type { ValueLists } from './value-list';

/** Undefined for a route that every call matches. */
export function compileMatch(match: MatchDocument, salt: string, lists?: ValueLists): MatchPlan | undefined {
  const { methods, labels = {}, any = [], sample, from } = match;
  const isAny = methods === undefined && Object.keys(labels).length === 0 && any.length === 0;
  if (isAny && sample === undefined && from === undefined) return undefined;
  return {
    methods: methods && MethodSet.of(methods),
    labels: compileConditions(labels, lists),
    any: any.map((group) => compileConditions(group.labels, lists)),
    sample: sample && compileSample(sample.by.toLowerCase(), sample.percent, salt),
    ...(from !== undefined && { from }),
  };
}

function compileConditions(
  labels: Readonly<Record<string, LabelMatcherDocument>>,
  lists: ValueLists | undefined,
): readonly LabelCondition[] {
  const conditions: LabelCondition[] = [];
  for (const [key, matcher] of Object.entries(labels)) {
    const { ignoreCase = false, exact, in: one } = typeof matcher === 'string' ? { exact: matcher } : matcher;
    const values = ignoreCase ? undefined : exact === undefined ? one : [exact];
    conditions.push({
      key: key.toLowerCase(),
      test: compileMatcher(matcher, lists),
      describe: describeMatcher(matcher),
      ...(values !== undefined && { exact: values }),
    });
  }
  return conditions;
}

/** A fixed share of a label's values. Grows monotonically with `percent`, and is independent of the route's split. */
export function compileSample(by: string, percent: number, salt: string): SamplePlan {
  const seed = seedOf(salt, 'sample');
  const admitted = Math.round((percent / 100) * BUCKETS);
  return { by, percent, admits: (value) => bucketOfHash(hash32(value, seed)) < admitted };
}
