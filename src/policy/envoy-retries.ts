import type { StatusName } from './document';

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

/** gRPC statuses of a condition in Envoy's `retry_on`; undefined for one of HTTP alone. */
export function statusesOfCondition(name: string): readonly StatusName[] | undefined {
  return Object.hasOwn(CONDITIONS, name) ? CONDITIONS[name] : undefined;
}

/** The gRPC status that stands for an HTTP one; undefined where there is none of its own. */
export function statusOfHttp(status: string): StatusName | undefined {
  return Object.hasOwn(HTTP_STATUSES, status) ? HTTP_STATUSES[status] : undefined;
}
