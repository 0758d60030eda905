import { defined } from '../../base/defined';
import { showValue } from '../../base/shorten';
import { STATUS_NAMES } from '../../base/status-names';
import { fieldsOf, textOf } from '../../policy/chain/report';
import type { RouteDocument, StatusName } from '../../policy/document';
import { statusOfHttp } from '../../policy/envoy-retries';
import { MAX_FAULT_DELAY_MS } from '../../policy/limits';
import type { PlaceReport } from '../imports/report';

type Fault = NonNullable<RouteDocument['fault']>;

const NO_END =
  'not written: a fault in a policy always ends, and a VirtualService says no end; give it: --fault-until TIME';

/**
 * `fault` of a rule. `until`: when it is to end, RFC 3339; without it the fault is told and left out. One of both parts is
 * written where their percentages differ: a policy has one.
 */
export function importFault(
  value: unknown,
  path: string,
  until: string | undefined,
  report: PlaceReport,
): Fault | undefined {
  if (value === undefined || value === null) return undefined;
  if (until === undefined) {
    report.cannot(path, NO_END);
    return undefined;
  }
  const fields = report.read(value, path, ['abort', 'delay']);
  const abort = importAbort(fields['abort'], `${path}.abort`, report);
  const delay = importDelay(fields['delay'], `${path}.delay`, report);
  if (abort !== undefined && delay !== undefined && abort.percent !== delay.percent) {
    report.cannot(`${path}.delay`, 'left out: a fault has one percentage, here that of abort');
    return { ...abort, until };
  }
  const percent = abort?.percent ?? delay?.percent;
  if (percent === undefined) return undefined;
  if (abort !== undefined && delay !== undefined) {
    report.note(path, 'delay and abort hit the same attempts; Istio draws each by itself');
  }
  return { ...defined({ abort: abort?.abort, delayMs: delay?.delayMs }), percent, until };
}

function importAbort(
  value: unknown,
  path: string,
  report: PlaceReport,
): { readonly abort: StatusName; readonly percent: number } | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = report.read(value, path, ['grpcStatus', 'httpStatus', 'percentage', 'percent']);
  const { grpcStatus, httpStatus } = fields;
  const code = textOf(grpcStatus)?.toUpperCase();
  const named = STATUS_NAMES.find((name) => name === code);
  const abort = grpcStatus === undefined ? statusOfHttp(String(httpStatus)) : named;
  if (abort === undefined) {
    const at = grpcStatus === undefined ? `${path}.httpStatus` : `${path}.grpcStatus`;
    report.cannot(at, `${showValue(grpcStatus ?? httpStatus)} is no status of gRPC; left out`);
    return undefined;
  }
  const percent = percentOf(fields, path, report);
  return percent === undefined ? undefined : { abort, percent };
}

function importDelay(
  value: unknown,
  path: string,
  report: PlaceReport,
): { readonly delayMs: number; readonly percent: number } | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = report.read(value, path, ['fixedDelay', 'percentage', 'percent'], {
    exponentialDelay: 'delays are fixed',
  });
  const delayMs = report.duration(fields['fixedDelay'], `${path}.fixedDelay`);
  const percent = percentOf(fields, path, report);
  if (delayMs === undefined || percent === undefined) return undefined;
  if (delayMs > MAX_FAULT_DELAY_MS) report.cannot(`${path}.fixedDelay`, `cut to ${MAX_FAULT_DELAY_MS} ms, the longest`);
  return { delayMs: Math.min(delayMs, MAX_FAULT_DELAY_MS), percent };
}

/** All attempts where nothing is said; a share of 0 hits none, which is no fault. */
function percentOf({ percentage, percent }: Readonly<Record<string, unknown>>, path: string, report: PlaceReport) {
  const share =
    percentage === undefined || percentage === null ? (percent ?? 100) : (fieldsOf(percentage)['value'] ?? 0);
  if (typeof share !== 'number' || !(share >= 0 && share <= 100)) {
    report.cannot(`${path}.percentage`, `${showValue(share)} (expected: 0 to 100); left out`);
    return undefined;
  }
  const rounded = Math.round(share * 100) / 100;
  if (rounded > 0) return rounded;
  report.note(`${path}.percentage`, 'hits no attempt; left out');
  return undefined;
}
