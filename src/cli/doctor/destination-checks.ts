import { missingSubsets } from '../../policy/membership/shortfalls';
import { type Finding, info, type PlannedQuestion, problem } from './finding';

/** The subsets of other services that a policy leads to, and the callers that its routes name. */
export function checkDestinations({ service, plan }: PlannedQuestion): readonly Finding[] {
  const next = `run graylane policy edit ${service}, or see that the token may read the policy of the other service`;
  const missing = missingSubsets(plan).map(({ message }) => problem(`destinations of ${service}`, message, next));
  const from = [...new Set((plan.document?.routes ?? []).flatMap(({ match }) => match?.from ?? []))];
  if (from.length === 0) return missing;
  const told = `routes take calls of ${from.join(', ')} by the name that a client states (serviceName, GRAYLANE_SERVICE)`;
  return [...missing, info(`callers of ${service}`, told)];
}
