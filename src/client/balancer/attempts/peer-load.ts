import type { Outcome } from '../../breaker/outcome';
import type { Metadata } from '../../grpc/grpc-js';
import type { Endpoint } from '../endpoints/endpoint';
import type { EndpointRegistry } from '../endpoints/endpoint-registry';
import { LOAD_REPORT_KEY, readLoadReport } from '../endpoints/load-report';

const OK = 0;
const PUSHBACK_KEY = 'grpc-retry-pushback-ms';

/**
 * For how long a server asks to be left alone, in milliseconds; negative: the call is not to be tried again at all, which is
 * also what a value says that cannot be read (gRFC A6). Undefined: it says nothing.
 */
export function pushbackOf(trailers: Metadata | undefined): number | undefined {
  const value = trailers?.get(PUSHBACK_KEY)[0];
  if (value === undefined) return undefined;
  const pushbackMs = Number.parseInt(String(value), 10);
  return Number.isNaN(pushbackMs) ? -1 : pushbackMs;
}

/** Takes what an ended attempt says of its server's load. */
export function notePeerLoad(
  endpoints: EndpointRegistry,
  { load: { share, capacity } }: Endpoint,
  outcome: Outcome,
  code: number,
  pushbackMs: number | undefined,
  trailers: Metadata | undefined,
  nowMs: number,
): void {
  if (outcome === 'success') {
    share.accepted += 1;
    endpoints.total.accepted += 1;
  } else if (outcome === 'less') {
    share.turnedAway(pushbackMs ?? 0, nowMs);
    endpoints.total.turnedAway(0, nowMs);
  }
  if (code !== OK || trailers === undefined || !capacity.isDue(nowMs)) return;
  const bytes = trailers.get(LOAD_REPORT_KEY)[0];
  capacity.looked(Buffer.isBuffer(bytes) ? readLoadReport(bytes) : undefined, nowMs);
}
