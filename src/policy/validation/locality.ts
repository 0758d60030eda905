import { isRecord } from '../../base/is-record';
import { ownValue } from '../plain-data';
import { note, type ProblemList } from '../problems';

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

/** What a schema cannot say of `locality.zones`. */
export function checkZones(document: unknown, problems: ProblemList): void {
  const locality = ownValue(document, 'locality');
  const clients = ownValue(locality, 'zoneClients');
  if (!isRecord(clients)) return;
  const path = ['locality', 'zoneClients'];
  if (ownValue(locality, 'zones') !== 'prefer') {
    problems.report(path, note('without zones: prefer'), 'nothing, or zones: prefer beside it');
  }
  const counts = Object.values(clients);
  if (counts.length > 0 && counts.every((count) => count === 0))
    problems.report(path, note('all 0'), 'a zone with > 0');
}

/** A call of `ring_hash` belongs to the endpoint that owns its label, in whatever zone that is. */
export function warnOfZonesWithoutEffect(document: unknown, warnings: ProblemList): void {
  const isPreferred = ownValue(ownValue(document, 'locality'), 'zones') === 'prefer';
  if (!isPreferred || ownValue(ownValue(document, 'balancing'), 'algorithm') !== 'ring_hash') return;
  warnings.report(
    ['locality', 'zones'],
    'prefer',
    'another algorithm than ring_hash, under which a call goes to the owner of its label in whatever zone that is',
  );
}
