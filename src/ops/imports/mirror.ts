import { showValue } from '../../base/shorten';
import type { DestinationDocument, RouteDocument } from '../../policy/document';
import type { PlaceReport } from './report';

type Mirror = NonNullable<RouteDocument['mirror']>;

/**
 * A mirror as a route has it. `percent`: undefined for all calls. Undefined, and told, where the calls go there anyway:
 * to the place where `to` and `split` of the route lead.
 */
export function importMirror(
  to: DestinationDocument,
  percent: unknown,
  route: Pick<RouteDocument, 'to' | 'split'>,
  path: string,
  report: PlaceReport,
): Mirror | undefined {
  const share = percent ?? 100;
  if (typeof share !== 'number' || !(share >= 0 && share <= 100)) {
    report.cannot(path, `${showValue(percent)} (expected: 0 to 100 percent); left out`);
    return undefined;
  }
  const goesTo = [route.to, ...(route.split ?? []).map((entry) => entry.to)].filter((each) => each !== undefined);
  if (goesTo.every((each) => JSON.stringify(each) === JSON.stringify(to))) {
    report.cannot(path, 'left out: copies would go where the calls go, and be the same calls twice');
    return undefined;
  }
  const rounded = Math.round(share * 100) / 100;
  report.note(path, 'a copy runs the method once more, and only calls with a single response are copied');
  return { to, ...(rounded === 100 ? {} : { percent: rounded }) };
}
