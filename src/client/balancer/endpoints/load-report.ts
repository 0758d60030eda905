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

const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

/** Undefined where it cannot be read. Numbers that mean nothing (negative, infinite) are 0. Never throws. */
export function readLoadReport(bytes: Buffer): LoadReport | undefined {
  const report = { applicationUtilization: 0, cpuUtilization: 0, callsPerSecond: 0, errorsPerSecond: 0 };
  const reader = { bytes, at: 0 };
  while (reader.at < bytes.length) {
    const tag = readVarint(reader);
    const wireType = tag & 7;
    if (wireType === FIXED_64 && reader.at + 8 <= bytes.length) {
      take(report, tag >>> 3, bytes.readDoubleLE(reader.at));
      reader.at += 8;
    } else if (wireType === FIXED_32) reader.at += 4;
    else if (wireType === LENGTH_DELIMITED) {
      const length = readVarint(reader);
      reader.at += length;
    } else if (wireType === VARINT) readVarint(reader);
    else return undefined;
    if (!(reader.at <= bytes.length)) return undefined;
  }
  return report;
}

function take(report: LoadReport, field: number, value: number): void {
  const meant = value > 0 && value < Number.POSITIVE_INFINITY ? value : 0;
  if (field === CPU_UTILIZATION) report.cpuUtilization = meant;
  else if (field === RPS_FRACTIONAL) report.callsPerSecond = meant;
  else if (field === EPS) report.errorsPerSecond = meant;
  else if (field === APPLICATION_UTILIZATION) report.applicationUtilization = meant;
}

/** NaN, and so beyond the end, where it is cut off. Ten bytes at most. */
function readVarint(reader: { readonly bytes: Buffer; at: number }): number {
  let value = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = reader.bytes[reader.at];
    if (byte === undefined) break;
    reader.at += 1;
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return value;
  }
  reader.at = Number.NaN;
  return Number.NaN;
}
