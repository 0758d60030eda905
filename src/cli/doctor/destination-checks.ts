import { destinationsIn, readDestination, subsetName } from '../../policy/places/destination';
import { type Finding, info, type PlannedQuestion, problem } from './finding';

/** The subsets of other services that a policy leads to, and the callers that its routes name. */
export function checkDestinations({ service, plan }: PlannedQuestion): readonly Finding[] {
  const { document, subsets } = plan;
  if (document === undefined) return [];
  const written = destinationsIn(document).map(({ path, to }) => [
    path,
    subsetName(readDestination(to, service), document),
  ]);
  const missing = [...subsets.values()].flatMap(({ name, missing: why }) => {
    if (why === undefined) return [];
    const path = written.find(([, named]) => named === name)?.[0] ?? name;
    const next = `run graylane policy edit ${service}, or see that the token may read the policy of the other service`;
    return [problem(`destinations of ${service}`, `${path}: ${why}`, next)];
  });
  const from = [...new Set((document.routes ?? []).flatMap(({ match }) => match?.from ?? []))];
  if (from.length === 0) return missing;
  const told = `routes take calls of ${from.join(', ')} by the name that a client states (serviceName, GRAYLANE_SERVICE)`;
  return [...missing, info(`callers of ${service}`, told)];
}
