import type { ZonePreferenceView } from '../client/balancer/zones/zone-preference';

/** `zone a keeps 60.0 % of its calls; 40.0 % cross to b`. */
export function describeZones({ own, zones, crossing }: ZonePreferenceView): string {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const others = zones
    .filter(({ zone, share }) => zone !== own && share > 0)
    .map(({ zone, share }) => `${percent(share)} to ${zone === '' ? 'instances without a zone' : zone}`);
  const keeps = `zone ${own} (this client's) keeps ${percent(1 - crossing)} of its calls`;
  return others.length === 0 ? keeps : `${keeps}; ${others.join(', ')}`;
}
