/**
 * What a client has counted of a candidate since it heard of it, as it goes over the wire (JSON). Counts are cumulative,
 * so that a later report takes the place of the one before. No label and no value of one is in it.
 */
export interface CandidateReport {
  readonly format: 1;
  /** The counting client: a random text, another for each candidate. */
  readonly client: string;
  readonly candidate: string;
  /** From 1, one more with each report of this client. */
  readonly number: number;
  /** Where the client stands among all, see `placeOf()`. */
  readonly place: number;
  /** Revision of the policy in force. */
  readonly revision: string;
  /**
   * `counting`: it can be had. `waiting`: not all that it needs is known yet. `refused`: it is not valid for this client.
   * `apart`: the policy of this client does not come from Consul's KV store.
   */
  readonly state: CandidateState;
  /** Why it is refused or waited for. */
  readonly reason?: string;
  /** Of a trial. */
  readonly trial?: TrialReport;
  /** Of a policy in by degrees. */
  readonly gradual?: GradualReport;
}

export const CANDIDATE_STATES = ['counting', 'waiting', 'refused', 'apart'] as const;
export type CandidateState = (typeof CANDIDATE_STATES)[number];

interface TrialReport {
  readonly flows: readonly ReportedFlow[];
  /** Registers that have grown since the last report that was taken, see {@link encodeCallers}. */
  readonly callers: string;
}

/** Calls with one decision under the policy in force, and one under the candidate. */
export interface ReportedFlow {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  /** They go elsewhere: to another subset or another place. */
  readonly isMoved: boolean;
  /** Of the sketch that counts its callers; undefined: they are counted with those of all that move alone. */
  readonly sketch?: number;
  readonly calls: number;
  /** Those of `calls` that no instance could serve under the policy in force. */
  readonly nobodyNow: number;
  /** The same under the candidate. */
  readonly nobody: number;
}

export interface FlowEnd {
  /** Name of the route, or `default`, `override`, `force`, `lane`. */
  readonly route: string;
  /** Subset, with its place where it is pinned to one. */
  readonly destination: string;
}

export interface GradualReport {
  /** The candidate is in force in this client. */
  readonly isInForce: boolean;
  readonly under: Readonly<Record<'candidate' | 'former', CallCounts>>;
}

/** Calls that ended, and those that ended badly. */
export interface CallCounts {
  readonly calls: number;
  readonly failures: number;
}

/** Flows that a client tells apart; the others are counted together. */
export const MAX_FLOWS = 48;
/** Sketches of one client: of all callers, of those that move, and of the first twelve flows that move. */
export const MAX_SKETCHES = 14;
/** Registers of one report; the rest is for the next one. */
export const MAX_REGISTERS_A_REPORT = 8_000;
/** Characters of a name in a report. */
export const MAX_FLOW_NAME = 128;
/** A report is smaller. */
export const MAX_CANDIDATE_REPORT_BYTES: number = 128 * 1024;

/** What one register of one sketch has grown to. Sketch 0 is of all callers, 1 of those that move. */
export interface GrownRegister {
  readonly sketch: number;
  readonly register: number;
  readonly rank: number;
}

const BYTES = 4;

/** Base64 of four bytes each: sketch, register (two, high first), rank. */
export function encodeCallers(grown: readonly GrownRegister[]): string {
  const bytes = Buffer.alloc(grown.length * BYTES);
  for (const [at, { sketch, register, rank }] of grown.entries()) {
    bytes.writeUInt8(sketch, at * BYTES);
    bytes.writeUInt16BE(register, at * BYTES + 1);
    bytes.writeUInt8(rank, at * BYTES + 3);
  }
  return bytes.toString('base64');
}

/** Undefined where it is no such text. */
export function decodeCallers(text: string): readonly GrownRegister[] | undefined {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length % BYTES !== 0 || bytes.length > MAX_REGISTERS_A_REPORT * BYTES) return undefined;
  return Array.from({ length: bytes.length / BYTES }, (_, at) => ({
    sketch: bytes.readUInt8(at * BYTES),
    register: bytes.readUInt16BE(at * BYTES + 1),
    rank: bytes.readUInt8(at * BYTES + 3),
  }));
}
