import { BUCKETS, bucketOfHash, hash32, seedOf } from '../base/hash';
import type { LabelMatcherDocument, RouteDocument } from './document';
import { compileMatcher, describeMatcher } from './matchers/matcher';
import { MethodSet } from './method-set';
import type { LabelCondition, MatchPlan, SamplePlan } from './plan';

/** Undefined for a route that every call matches. */
export function compileMatch(route: RouteDocument, salt: string): MatchPlan | undefined {
  const { methods = [], labels = {}, any = [], sample } = route.match ?? {};
  if (methods.length === 0 && Object.keys(labels).length === 0 && any.length === 0 && sample === undefined) {
    return undefined;
  }
  return {
    methods: methods.length === 0 ? undefined : MethodSet.of(methods),
    labels: compileConditions(labels),
    any: any.map((group) => compileConditions(group.labels)),
    sample: sample === undefined ? undefined : compileSample(sample.by.toLowerCase(), sample.percent, salt),
  };
}

function compileConditions(labels: Readonly<Record<string, LabelMatcherDocument>>): readonly LabelCondition[] {
  return Object.entries(labels).map(([key, matcher]) => ({
    key: key.toLowerCase(),
    test: compileMatcher(matcher),
    describe: describeMatcher(matcher),
    ...exactValues(matcher),
  }));
}

function exactValues(matcher: LabelMatcherDocument): { readonly exact?: readonly string[] } {
  if (typeof matcher === 'string') return { exact: [matcher] };
  if (matcher.ignoreCase === true) return {};
  if (matcher.exact !== undefined) return { exact: [matcher.exact] };
  return matcher.in === undefined ? {} : { exact: matcher.in };
}

/** A fixed share of a label's values. Grows monotonically with `percent`, and is independent of the route's split. */
export function compileSample(by: string, percent: number, salt: string): SamplePlan {
  const seed = seedOf(salt, 'sample');
  const admitted = Math.round((percent / 100) * BUCKETS);
  return { by, percent, admits: (value) => bucketOfHash(hash32(value, seed)) < admitted };
}
