import type { ProblemList } from '../problems';
import type { CheckedPolicy } from './checked';
import { meaningOf } from './destinations';
import { isInHundredths } from './values';

type Route = NonNullable<NonNullable<CheckedPolicy['routes']>[number]>;

/** What a schema cannot say of the `mirror` of a route. */
export function checkMirror(
  { mirror, to, split = [] }: Route,
  document: CheckedPolicy,
  path: readonly (string | number)[],
  problems: ProblemList,
): void {
  if (mirror === undefined) return;
  const { to: copied, percent } = mirror;
  const goesTo = split.length === 0 ? [to] : split.map((entry) => entry?.to);
  if (copied !== undefined && goesTo.every((each) => meaningOf(each, document) === meaningOf(copied, document))) {
    problems.report([...path, 'to'], copied, 'another destination than the one that the route itself sends calls to');
  }
  if (percent !== undefined && !isInHundredths(percent))
    problems.report([...path, 'percent'], percent, 'steps of 0.01');
}
