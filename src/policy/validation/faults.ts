import { parseTimestamp } from '../override';
import type { DocumentPath, ProblemList } from '../problems';
import type { CheckedPolicy } from './checked';
import { checkMatch } from './matches';

/** What a schema cannot say of the faults of the policy and of its routes. */
export function checkFaults({ routes = [], faults = [] }: CheckedPolicy, problems: ProblemList): void {
  for (const [index, route] of routes.entries()) {
    if (route?.fault !== undefined) checkFault(route.fault, ['routes', index, 'fault'], problems);
  }
  const names = new Map<string, number>();
  for (const [index, fault] of faults.entries()) {
    if (fault === undefined) continue;
    const path = ['faults', index];
    const { name, match } = fault;
    const first = name === undefined ? undefined : names.get(name);
    if (first !== undefined) {
      problems.report([...path, 'name'], name, `a name of its own; faults[${first}] has this one`);
    } else if (name !== undefined) names.set(name, index);
    if (match !== undefined) checkMatch(match, [...path, 'match'], problems);
    checkFault(fault, path, problems);
  }
}

type Fault = Pick<NonNullable<NonNullable<CheckedPolicy['faults']>[number]>, 'percent' | 'until'>;

function checkFault({ percent, until }: Fault, path: DocumentPath, problems: ProblemList): void {
  if (until !== undefined && until !== '' && parseTimestamp(until) === undefined) {
    problems.report([...path, 'until'], until, 'a time as RFC 3339, such as 2026-12-01T10:00:00Z');
  }
  if (percent === undefined || percent <= 0 || percent > 100) return;
  const steps = percent * 100;
  if (Math.abs(steps - Math.round(steps)) > 1e-6 || Math.round(steps) === 0) {
    problems.report([...path, 'percent'], percent, '0.01 to 100 in steps of 0.01');
  }
}
