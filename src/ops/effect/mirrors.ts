import { describeSelector } from './describe-selector';
import type { Side } from './outcomes';

/**
 * Mirrors that copy to nobody. No reason to refuse a policy: copies are dropped, and no call is any different. One
 * remark for each subset.
 */
export function mirrorRemarks({ plan, membership }: Side): readonly string[] {
  const routes = new Map<string, string[]>();
  for (const { name, split } of plan.routes) {
    const mirror = split.entries.find(({ decision }) => decision.mirror !== undefined)?.decision.mirror;
    if (mirror === undefined) continue;
    const { subset } = mirror.copy.destination;
    if (membership.groups.some((group) => group.subset === subset && group.usable.length > 0)) continue;
    routes.set(subset, [...(routes.get(subset) ?? []), name]);
  }
  return [...routes].map(([subset, names]) => {
    const [first, ...more] = names;
    const which = more.length === 0 ? `route ${first}` : `route ${first} and ${more.length} more`;
    return `copies of calls of ${which} would go nowhere: ${describeSelector(plan, subset, membership)}`;
  });
}
