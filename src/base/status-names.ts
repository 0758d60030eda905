/** Names of gRPC status codes, without OK: https://grpc.io/docs/guides/status-codes/ */
export type StatusName =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED';

/**
 * gRPC's status names in the order of their codes, beginning with code 1: OK is no failure and has no place in a
 * policy.
 */
export const STATUS_NAMES: readonly StatusName[] = [
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** Undefined for OK and for what is not a code. */
export function statusNameOf(code: number): StatusName | undefined {
  // An index below 0 would be looked up as a name, which is slow, and most calls end with code 0.
  return code > 0 ? STATUS_NAMES[code - 1] : undefined;
}

/** Undefined for what is no name of a failure. */
export function statusCodeOf(name: string): number | undefined {
  const at = (STATUS_NAMES as readonly string[]).indexOf(name);
  return at === -1 ? undefined : at + 1;
}
