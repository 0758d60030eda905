import { isRecord } from '../../base/is-record';
import { ownValue } from '../plain-data';
import type { ProblemList } from '../problems';

/** No place of `locality.failover` twice: a schema that says so compares every object with every other. */
export function checkFailover(document: unknown, problems: ProblemList): void {
  const places = ownValue(ownValue(document, 'locality'), 'failover');
  if (!Array.isArray(places)) return;
  const seen = new Set<string>();
  for (const place of places as readonly unknown[]) {
    const key = isRecord(place) ? `peer ${String(place['peer'])}` : String(place);
    if (seen.has(key)) {
      problems.report(['locality', 'failover'], places, 'none given twice');
      return;
    }
    seen.add(key);
  }
}
