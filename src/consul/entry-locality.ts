import { isRecord } from '../base/is-record';

type Json = Readonly<Record<string, unknown>>;

export interface EntryLocality {
  readonly zone: string | undefined;
  readonly region: string | undefined;
}

/**
 * Where an instance is. The zone: `meta.zone`, `meta.availability_zone`, then `Locality.Zone` of the service; then the same of
 * its node. The region: `Locality.Region` of the service, then of its node (Consul 1.16 and later).
 */
export function localityOf(meta: Json, service: Json, node: Json): EntryLocality {
  const [ofService, ofNode] = [service['Locality'], node['Locality']].map((one): Json => (isRecord(one) ? one : {}));
  return {
    zone: zoneIn(meta) ?? nonEmpty(ofService?.['Zone']) ?? zoneIn(node['Meta']) ?? nonEmpty(ofNode?.['Zone']),
    region: nonEmpty(ofService?.['Region']) ?? nonEmpty(ofNode?.['Region']),
  };
}

/** The zone that the meta of a service, or of a node, names. */
export function zoneIn(meta: unknown): string | undefined {
  return isRecord(meta) ? (nonEmpty(meta['zone']) ?? nonEmpty(meta['availability_zone'])) : undefined;
}

function nonEmpty(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
