import { type ChainReport, fieldsOf, isSet, textOf } from '../../policy/chain/report';
import type { SubsetDocument } from '../../policy/document';
import type { Plan } from '../../policy/plan';
import { SHORT_NAME } from '../../policy/schema-parts';

/**
 * The subsets of a service's own resolver that its compiled chain does not lead to: Consul leaves them out of a chain,
 * and a canary that has not begun is one of them. `entry` is the service-resolver of the service.
 */
export function unusedSubsets(
  entry: unknown,
  plan: Plan,
  report: ChainReport,
): Readonly<Record<string, SubsetDocument>> {
  const resolver = fieldsOf(entry);
  // A resolver that redirects has no instances of its own.
  if (isSet(resolver['Redirect'])) return {};
  const path = `service-resolver/${plan.service}`;
  const subsets: Record<string, SubsetDocument> = {};
  for (const [name, value] of Object.entries(fieldsOf(resolver['Subsets']))) {
    if (plan.subsets.has(name)) continue;
    if (!SHORT_NAME.test(name)) {
      report.cannot(`${path}.Subsets`, `${JSON.stringify(name.slice(0, 80))} is no name of a subset here; left out`);
      continue;
    }
    const rules = fieldsOf(value);
    const filter = textOf(rules['Filter']);
    subsets[name] = filter === undefined ? {} : { filter };
    if (rules['OnlyPassing'] === true) {
      report.cannot(`${path}.Subsets.${name}.OnlyPassing`, 'instances with a warning serve too');
    }
  }
  return subsets;
}
