import type { DocumentPath, ProblemList } from '../problems';
import type { CheckedPolicy } from './checked';
import { checkMatch } from './matches';
import { checkName, checkTime, isInHundredths } from './values';

/** What a schema cannot say of the faults of the policy and of its routes. */
export function checkFaults({ routes = [], faults = [] }: CheckedPolicy, problems: ProblemList): void {
  for (const [index, route] of routes.entries()) {
    if (route?.fault !== undefined) checkFault(route.fault, ['routes', index, 'fault'], problems);
  }
  const names = new Map<string, number>();
  for (const [index, fault] of faults.entries()) {
    if (fault === undefined) continue;
    const path = ['faults', index];
    checkName(fault.name, names, 'faults', index, problems);
    if (fault.match !== undefined) checkMatch(fault.match, [...path, 'match'], problems);
    checkFault(fault, path, problems);
  }
}

type Fault = Pick<NonNullable<NonNullable<CheckedPolicy['faults']>[number]>, 'percent' | 'until'>;

function checkFault({ percent, until }: Fault, path: DocumentPath, problems: ProblemList): void {
  checkTime(until, [...path, 'until'], problems);
  if (percent === undefined || percent <= 0 || percent > 100) return;
  if (!isInHundredths(percent) || Math.round(percent * 100) === 0) {
    problems.report([...path, 'percent'], percent, '0.01 to 100 in steps of 0.01');
  }
}
