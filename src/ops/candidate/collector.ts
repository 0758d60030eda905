import { randomBytes, timingSafeEqual } from 'node:crypto';
import {
  type CallCounts,
  type CandidateState,
  MAX_CANDIDATE_REPORT_BYTES,
  type ReportedFlow,
} from '../../base/candidate-report';
import { DistinctCount } from '../../base/distinct-count';
import { ofKey } from '../../base/of-key';
import type { TakenReport } from '../rollout/collector/collector';
import type { ReportTaker } from '../rollout/collector/listener';
import { type ReadCandidateReport, readCandidateReport } from './read-report';

/** A flow of a trial, of all clients together. */
export interface TrialFlow extends Omit<ReportedFlow, 'sketch'> {
  /** Sticky callers, estimated; undefined where too many flows were told apart. */
  readonly callers: number | undefined;
}

/** What the clients have reported of a trial. */
export interface TrialFigures {
  /** By calls, most first. */
  readonly flows: readonly TrialFlow[];
  /** Sticky callers, estimated: each once, however many clients and calls it comes by. */
  readonly callers: number;
  /** Those of them that move. */
  readonly movedCallers: number;
}

/** What the clients have reported of a policy in by degrees. */
export interface GradualFigures {
  readonly candidate: CallCounts;
  readonly former: CallCounts;
  /** Clients in which it is in force. */
  readonly inForce: number;
}

/** The clients that have reported, by state. */
export interface ReportingClients {
  readonly counts: Readonly<Record<CandidateState, number>>;
  /** Why the candidate is refused or waited for, each reason once. */
  readonly reasons: Readonly<Record<'refused' | 'waiting', readonly string[]>>;
}

const MAX_CLIENTS = 10_000;
const MAX_REASONS = 5;

/** Collects what the clients of one service report of one candidate. In memory only. */
export class CandidateCollector implements ReportTaker {
  readonly path = 'candidates';
  readonly maxBytes: number = MAX_CANDIDATE_REPORT_BYTES;
  /** The key that reports must carry, and that clients hash with. */
  readonly key: string = randomBytes(24).toString('base64url');
  readonly #key = Buffer.from(this.key);
  readonly #service: string;
  readonly #candidate: string;
  readonly #latest = new Map<string, ReadCandidateReport>();
  readonly #callers = [new DistinctCount(), new DistinctCount()] as const;
  readonly #callersOfFlow = new Map<string, DistinctCount>();

  constructor(service: string, candidate: string) {
    this.#service = service;
    this.#candidate = candidate;
  }

  isKey(service: string, given: string): boolean | undefined {
    if (service !== this.#service) return undefined;
    const other = Buffer.from(given);
    return other.length === this.#key.length && timingSafeEqual(other, this.#key);
  }

  take(_service: string, body: string): TakenReport | { readonly problem: string } {
    const report = readCandidateReport(body);
    if ('problem' in report) return report;
    if (report.candidate !== this.#candidate) return 'other-window';
    const before = this.#latest.get(report.client);
    if (before !== undefined && before.number >= report.number) return 'repeated';
    if (before === undefined && this.#latest.size >= MAX_CLIENTS) return 'full';
    this.#latest.set(report.client, report);
    if (report.trial !== undefined) this.#merge(report.trial);
    return 'taken';
  }

  clients(): ReportingClients {
    const counts = { counting: 0, waiting: 0, refused: 0, apart: 0 };
    const reasons = { refused: new Set<string>(), waiting: new Set<string>() };
    for (const { state, reason } of this.#latest.values()) {
      counts[state] += 1;
      if (reason !== undefined && (state === 'refused' || state === 'waiting') && reasons[state].size < MAX_REASONS) {
        reasons[state].add(reason);
      }
    }
    return { counts, reasons: { refused: [...reasons.refused], waiting: [...reasons.waiting] } };
  }

  trial(): TrialFigures {
    const flows = new Map<string, TrialFlow>();
    for (const { trial } of this.#latest.values()) {
      for (const { sketch: _, ...flow } of trial?.flows ?? []) {
        const name = nameOf(flow);
        const { calls = 0, nobodyNow = 0, nobody = 0 } = flows.get(name) ?? {};
        const sum = { calls: calls + flow.calls, nobodyNow: nobodyNow + flow.nobodyNow, nobody: nobody + flow.nobody };
        const callers = this.#callersOfFlow.get(name);
        flows.set(name, { ...flow, ...sum, callers: callers && Math.round(callers.estimate()) });
      }
    }
    const [all, moved] = this.#callers;
    return {
      flows: [...flows.values()].sort((a, b) => b.calls - a.calls),
      callers: Math.round(all.estimate()),
      movedCallers: Math.round(moved.estimate()),
    };
  }

  gradual(): GradualFigures {
    const sum = { candidate: { calls: 0, failures: 0 }, former: { calls: 0, failures: 0 } };
    let inForce = 0;
    for (const { gradual } of this.#latest.values()) {
      if (gradual === undefined) continue;
      if (gradual.isInForce) inForce += 1;
      for (const side of ['candidate', 'former'] as const) {
        sum[side].calls += gradual.under[side].calls;
        sum[side].failures += gradual.under[side].failures;
      }
    }
    return { ...sum, inForce };
  }

  /** Places of the clients that a candidate can be in force in, lowest first. */
  places(): readonly number[] {
    const own = [...this.#latest.values()].filter(({ state }) => state !== 'apart');
    return own.map(({ place }) => place).sort((a, b) => a - b);
  }

  #merge({ flows, grown }: NonNullable<ReadCandidateReport['trial']>): void {
    const sketches = new Map<number, DistinctCount>(this.#callers.entries());
    for (const flow of flows) {
      if (flow.sketch === undefined || flow.sketch < this.#callers.length) continue;
      sketches.set(
        flow.sketch,
        ofKey(this.#callersOfFlow, nameOf(flow), () => new DistinctCount()),
      );
    }
    for (const { sketch, register, rank } of grown) sketches.get(sketch)?.add(register, rank);
  }
}

function nameOf({ from, to, isMoved }: Pick<ReportedFlow, 'from' | 'to' | 'isMoved'>): string {
  return JSON.stringify([from.route, from.destination, to.route, to.destination, isMoved]);
}
