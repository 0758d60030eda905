import { randomBytes } from 'node:crypto';
import { type Candidate, placeOf } from '../../base/candidate';
import type { CandidateReport } from '../../base/candidate-report';
import type { Timer } from '../../base/clock';
import type { Runtime } from '../../base/runtime';
import type { ReportSender } from '../rollout-metrics/report-sender';
import type { Service } from '../state/service';
import type { CandidateCount } from './candidate-count';
import type { HeldCandidate } from './candidates';

export interface ParticipantDeps extends Runtime {
  readonly clientId: string;
  readonly sender: ReportSender;
  /** Counts this candidate from now on. */
  count(candidate: Candidate): CandidateCount;
}

const SEND_LIMIT_MS = 2_000;
/** Time between the last reports of one that is over. */
const LAST_EVERY_MS = 500;
const MAX_REASON = 300;

interface Current {
  held: HeldCandidate;
  readonly count: CandidateCount;
  readonly client: string;
  number: number;
  /** It does not take this client's reports. */
  isRefused: boolean;
}

/**
 * One service's part in candidates: counts the one of now, and reports to the command that holds it. Nothing is counted,
 * sent or timed while there is none.
 */
export class Participant {
  readonly #service: Service;
  readonly #deps: ParticipantDeps;
  #current: Current | undefined;
  #timer: Timer | undefined;
  #isFailing = false;

  constructor(service: Service, deps: ParticipantDeps) {
    this.#service = service;
    this.#deps = deps;
  }

  /** Called with each change of the candidate. */
  take(held: HeldCandidate | undefined): void {
    const former = this.#current;
    if (former !== undefined && former.held.candidate.id === held?.candidate.id) {
      former.held = held;
      if (held.isOver) this.#finish(former);
      return;
    }
    this.close();
    if (held === undefined || held.isOver) return;
    const { candidate } = held;
    const count = this.#deps.count(candidate);
    const client = randomBytes(12).toString('base64url');
    this.#current = { held, count, client, number: 0, isRefused: false };
    // Clients hear at once, and should not all report at once.
    this.#reportIn(this.#deps.random() * candidate.everyMs, this.#current);
  }

  /** Counts and sends no more. Idempotent. */
  close(): void {
    this.#timer?.cancel();
    this.#current?.count.stop();
    this.#current = undefined;
  }

  /** Its time is over: what was counted since the last report is told, until all of it is taken. */
  #finish(current: Current): void {
    current.count.stop();
    this.#reportIn(this.#deps.random() * LAST_EVERY_MS, current);
  }

  #reportIn(delayMs: number, current: Current): void {
    this.#timer?.cancel();
    this.#timer = this.#deps.clock.setTimer(delayMs, () => void this.#report(current));
  }

  async #report(current: Current): Promise<void> {
    const isTaken = await this.#send(current);
    if (this.#current !== current || current.isRefused) return;
    const { candidate, isOver } = current.held;
    if (!isOver) this.#reportIn(candidate.everyMs, current);
    else if (!isTaken || current.count.isUnfinished) this.#reportIn(LAST_EVERY_MS, current);
  }

  async #send(current: Current): Promise<boolean> {
    const { sender, clientId } = this.#deps;
    const { url, key, id } = current.held.candidate;
    const { reason, ...rest } = current.count.report();
    current.number += 1;
    const report: CandidateReport = {
      format: 1,
      client: current.client,
      candidate: id,
      number: current.number,
      place: placeOf(clientId, id),
      revision: this.#service.planInForce?.revision ?? 'none',
      ...rest,
      ...(reason === undefined ? {} : { reason: reason.slice(0, MAX_REASON) }),
    };
    const to = `${url}/candidates/${encodeURIComponent(this.#service.service)}`;
    const outcome = await sender.send({ url: to, key, body: JSON.stringify(report) }, SEND_LIMIT_MS);
    if (outcome.kind === 'taken') current.count.reported();
    else this.#failed(current, outcome.kind === 'refused' ? `HTTP ${outcome.status}` : outcome.reason);
    if (outcome.kind === 'refused') current.isRefused = outcome.status < 500 && outcome.status !== 429;
    if (outcome.kind === 'taken') this.#isFailing = false;
    return outcome.kind === 'taken';
  }

  #failed(current: Current, reason: string): void {
    // What is over is not waited for.
    if (this.#isFailing || current.held.isOver || this.#current !== current) return;
    this.#isFailing = true;
    const { service } = this.#service;
    this.#deps.logger.warn('what a policy on trial would do could not be reported', { service, reason });
  }
}
