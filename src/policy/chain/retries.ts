import { DEFAULT_RETRY } from '../defaults';
import type { StatusName } from '../document';
import type { RetryPlan } from '../plan';
import { type ChainReport, type Fields, listOf } from './report';

/** More than these grpc-js does not make, and no policy may ask for. */
const MOST_ATTEMPTS = 5;
/** Envoy retries once where nothing else is said. */
const DEFAULT_RETRIES = 1;

/** What Envoy's conditions are when the answer is gRPC's. Those without are of HTTP alone. */
const CONDITIONS: Readonly<Record<string, readonly StatusName[]>> = {
  '5xx': ['UNAVAILABLE'],
  'gateway-error': ['UNAVAILABLE'],
  reset: ['UNAVAILABLE'],
  'connect-failure': ['UNAVAILABLE'],
  'refused-stream': ['UNAVAILABLE'],
  cancelled: ['CANCELLED'],
  'deadline-exceeded': ['DEADLINE_EXCEEDED'],
  internal: ['INTERNAL'],
  'resource-exhausted': ['RESOURCE_EXHAUSTED'],
  unavailable: ['UNAVAILABLE'],
};

/** https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md */
const HTTP_STATUSES: Readonly<Record<string, StatusName>> = {
  '400': 'INTERNAL',
  '401': 'UNAUTHENTICATED',
  '403': 'PERMISSION_DENIED',
  '404': 'UNIMPLEMENTED',
  '429': 'UNAVAILABLE',
  '502': 'UNAVAILABLE',
  '503': 'UNAVAILABLE',
  '504': 'UNAVAILABLE',
};

/** Retries of a route's destination; undefined where it says nothing of them. */
export function compileRetries(destination: Fields, path: string, report: ChainReport): RetryPlan | undefined {
  const conditions = listOf(destination['RetryOn']).map(String);
  const statuses = listOf(destination['RetryOnStatusCodes']).map(String);
  const onConnectFailure = destination['RetryOnConnectFailure'] === true;
  const retries = Number(destination['NumRetries'] ?? 0);
  const hasCondition = conditions.length > 0 || statuses.length > 0 || onConnectFailure;
  if (!hasCondition && !(retries > 0)) return undefined;
  const codes = new Set<StatusName>(onConnectFailure ? ['UNAVAILABLE'] : []);
  conditions.forEach((name, index) => {
    const mapped = Object.hasOwn(CONDITIONS, name) ? CONDITIONS[name] : undefined;
    for (const code of mapped ?? []) codes.add(code);
    if (mapped === undefined)
      report.cannot(`${path}.RetryOn[${index}]`, `${name} is not a condition of gRPC; not retried`);
  });
  statuses.forEach((status, index) => {
    const code = Object.hasOwn(HTTP_STATUSES, status) ? HTTP_STATUSES[status] : undefined;
    if (code !== undefined) codes.add(code);
    else report.cannot(`${path}.RetryOnStatusCodes[${index}]`, `${status} has no gRPC code of its own; not retried`);
  });
  if (!hasCondition) {
    for (const code of DEFAULT_RETRY.retryableStatusCodes) codes.add(code);
    report.cannot(`${path}.NumRetries`, 'without a condition Envoy never retries; here it holds for UNAVAILABLE');
  }
  const wanted = 1 + (retries > 0 ? Math.floor(retries) : DEFAULT_RETRIES);
  if (wanted > MOST_ATTEMPTS) {
    report.cannot(`${path}.NumRetries`, `${retries}; cut to ${MOST_ATTEMPTS - 1}, the most that grpc-js makes`);
  }
  return { ...DEFAULT_RETRY, maxAttempts: Math.min(wanted, MOST_ATTEMPTS), retryableStatusCodes: [...codes] };
}
