import { readNumbers } from '../protobuf';
import { servingWeight } from './weight';

/** Reports come with every answer; one in this time is read. */
const LOOK_MS = 100;
/** How long the moving average of the capacity remembers. */
const TAU_MS = 5_000;
/**
 * As `weightedRoundRobin` of gRFC A58: a new server's reports do not count at first, and what is old counts no more.
 */
const BLACKOUT_MS = 10_000;
const EXPIRY_MS = 180_000;
/** Below this utilization a report tells more about the server's idle load than about its capacity. */
const LEAST_UTILIZATION = 0.1;
/** Reports change an endpoint's share by this much at most, whatever a server says. */
const LEAST_FACTOR = 0.25;
const MOST_FACTOR = 4;
/** Factors that differ by less are the same. */
const DEADBAND = 0.1;

/**
 * How many calls a second a server could answer at full use, by its own word: its calls a second by its utilization,
 * errors counted against it (gRFC A58: `qps / (utilization + eps / qps)`). Times are monotonic milliseconds.
 */
export class ReportedCapacity {
  /** What its weight is multiplied with; 1 without reports. In [0.25, 4]. */
  factor = 1;
  #perSecond = 0;
  /** From then on a further report is worth reading. */
  dueAtMs: number = Number.NEGATIVE_INFINITY;
  #firstAtMs = 0;
  #lastAtMs = Number.NEGATIVE_INFINITY;

  /** `report`: undefined where there was none. */
  looked(report: LoadReport | undefined, nowMs: number): void {
    this.dueAtMs = nowMs + LOOK_MS;
    if (report === undefined) return;
    const { callsPerSecond, errorsPerSecond } = report;
    const utilization = report.applicationUtilization > 0 ? report.applicationUtilization : report.cpuUtilization;
    if (utilization < LEAST_UTILIZATION || callsPerSecond === 0) return;
    const perSecond = callsPerSecond / (utilization + errorsPerSecond / callsPerSecond);
    const sinceMs = nowMs - this.#lastAtMs;
    if (sinceMs > EXPIRY_MS) {
      this.#firstAtMs = nowMs;
      this.#perSecond = perSecond;
    } else this.#perSecond += (perSecond - this.#perSecond) * (1 - Math.exp(-sinceMs / TAU_MS));
    this.#lastAtMs = nowMs;
  }

  /** Calls a second; 0 while it is not known. */
  perSecond(nowMs: number): number {
    if (nowMs - this.#lastAtMs > EXPIRY_MS || nowMs - this.#firstAtMs < BLACKOUT_MS) return 0;
    return this.#perSecond;
  }

  /** `factor`: 1 is the pool's mean. True: it is another than before. */
  adjust(factor: number): boolean {
    const next = Math.min(MOST_FACTOR, Math.max(LEAST_FACTOR, factor));
    if (next === this.factor || (next !== 1 && Math.abs(next / this.factor - 1) < DEADBAND)) return false;
    this.factor = next;
    return true;
  }
}

/** What of an endpoint is compared. */
interface Weighed {
  readonly instance: { readonly weight: number };
  readonly load: { readonly capacity: ReportedCapacity };
}

/**
 * Compares what the endpoints of one pool report. Those that report nothing keep their weights, as do all while fewer
 * than two are known. True when a factor has changed.
 */
export function balanceCapacities(endpoints: readonly Weighed[], nowMs: number): boolean {
  let perSecond = 0;
  let weights = 0;
  let known = 0;
  for (const { instance, load } of endpoints) {
    const each = load.capacity.perSecond(nowMs);
    if (each === 0) continue;
    known += 1;
    perSecond += each;
    weights += servingWeight(instance);
  }
  let isChanged = false;
  for (const { instance, load } of endpoints) {
    const each = known < 2 ? 0 : load.capacity.perSecond(nowMs);
    if (load.capacity.adjust(each === 0 ? 1 : (each * weights) / (perSecond * servingWeight(instance))))
      isChanged = true;
  }
  return isChanged;
}

/** The metadata key under which a server's load comes with an answer (gRFC A51, A58). */
export const LOAD_REPORT_KEY = 'endpoint-load-metrics-bin';

/** What is read of `xds.data.orca.v3.OrcaLoadReport`. What a server does not report is 0. */
export interface LoadReport {
  /** Of the capacity; 1 is all of it, and more is possible. */
  applicationUtilization: number;
  cpuUtilization: number;
  /** Calls and errors a second, of the whole server. */
  callsPerSecond: number;
  errorsPerSecond: number;
}

/** Fields of the message, all of them doubles. `rps_fractional` took the place of an integer. */
const CPU_UTILIZATION = 1;
const RPS_FRACTIONAL = 6;
const EPS = 7;
const APPLICATION_UTILIZATION = 9;

/** Undefined where it cannot be read. Numbers that mean nothing (negative, infinite) are 0. Never throws. */
export function readLoadReport(bytes: Buffer): LoadReport | undefined {
  const report = { applicationUtilization: 0, cpuUtilization: 0, callsPerSecond: 0, errorsPerSecond: 0 };
  const isRead = readNumbers(bytes, 0, (field, value, isDouble) => isDouble && take(report, field, value));
  return isRead ? report : undefined;
}

function take(report: LoadReport, field: number, value: number): void {
  const meant = value > 0 && value < Number.POSITIVE_INFINITY ? value : 0;
  if (field === CPU_UTILIZATION) report.cpuUtilization = meant;
  else if (field === RPS_FRACTIONAL) report.callsPerSecond = meant;
  else if (field === EPS) report.errorsPerSecond = meant;
  else if (field === APPLICATION_UTILIZATION) report.applicationUtilization = meant;
}
