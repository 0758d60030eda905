import type { ServiceInspection as Service } from '../../client/admin/inspect';
import { counted } from '../describe';

/** How many lanes are named one by one. */
const MOST_LANES = 20;

/** `lanes: pr-42 (2 instances, 1 usable), pr-43 (ended)`; nothing for a service without lanes. */
export function describeLanes(lanes: Service['lanes']): readonly string[] {
  if (lanes.length === 0) return [];
  const named = lanes.slice(0, MOST_LANES).map(({ lane, instances, usable, isEnded }) => {
    const most = usable === instances ? '' : `, ${usable} usable`;
    return `${lane} (${isEnded ? 'ended' : `${counted(instances, 'instance')}${most}`})`;
  });
  const more = lanes.length > MOST_LANES ? [`${lanes.length - MOST_LANES} more`] : [];
  return [`lanes: ${[...named, ...more].join(', ')}`];
}

/** `mirror of everyone to canary: 120 copies, 3 failed, 4 dropped (busy 4); 100 compared, 2 differing`. */
export function describeMirrors(mirrors: Service['mirrors']): readonly string[] {
  return mirrors.map(({ route, to, copies, failed, dropped, comparison }) => {
    const reasons = Object.entries(dropped).filter(([, count]) => count > 0);
    const sum = reasons.reduce((total, [, count]) => total + count, 0);
    const lost = sum === 0 ? '' : `, ${sum} dropped (${reasons.map((each) => each.join(' ')).join(', ')})`;
    const compared =
      comparison === undefined ? '' : `; ${comparison.compared} compared, ${comparison.differing} differing`;
    return `mirror of ${route} to ${to}: ${copies} copies, ${failed} failed${lost}${compared}`;
  });
}
