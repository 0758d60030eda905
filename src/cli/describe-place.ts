/** An endpoint with the name of its port, where it has several: `10.0.0.1:50051 (grpc)`. */
export function describeEndpoint(endpoint: string, portName: string | undefined): string {
  return portName === undefined ? endpoint : `${endpoint} (${portName})`;
}

/** A zone, and the region where that says more than the zone's own name: `eu-1/a`, `eu-north-1a`, `eu-1/`. */
export function describeZone(zone: string | undefined, region: string | undefined): string {
  if (region === undefined || zone?.startsWith(region) === true) return zone ?? '';
  return `${region}/${zone ?? ''}`;
}
