import { DEFAULT_RETRY } from '../defaults';
import type { StatusName } from '../document';
import { statusesOfCondition, statusOfHttp } from '../envoy-retries';
import type { RetryPlan } from '../plan';
import { type ChainReport, type Fields, listOf } from './report';

/** More than these grpc-js does not make, and no policy may ask for. */
const MOST_ATTEMPTS = 5;
/** Envoy retries once where nothing else is said. */
const DEFAULT_RETRIES = 1;

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
    const mapped = statusesOfCondition(name);
    for (const code of mapped ?? []) codes.add(code);
    if (mapped === undefined)
      report.cannot(`${path}.RetryOn[${index}]`, `${name} is not a condition of gRPC; not retried`);
  });
  statuses.forEach((status, index) => {
    const code = statusOfHttp(status);
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
