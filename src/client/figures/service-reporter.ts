import type { Clock, Timer } from '../../base/clock';
import type { Logger } from '../../base/logger';
import type { Random } from '../../base/random';
import type { AnnouncedWindow } from '../../base/rollout-announcement';
import type { AttemptListener } from '../balancer/context';
import type { HeardAnnouncement } from './announcement-watch';
import type { ReportSender, SendOutcome } from './report-sender';
import { WindowCounts } from './window-counts';

/** A service of the Graylane client while it is in use: what counting it takes. */
export interface CountedService {
  readonly attemptListeners: { add(tap: AttemptListener): () => void };
  /** The breaker of this subset is open, in any datacenter. */
  isShed(subset: string): boolean;
}

export interface ServiceReporterDeps {
  readonly service: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly sender: ReportSender;
}

const SEND_LIMIT_MS = 2_000;
const LAST_SEND_LIMIT_MS = 500;
/** How long it counts on after the controller has gone, for the next one to ask. */
const ORPHAN_MS = 600_000;

/**
 * Counts one service as its announcement says, and reports at the pace that it asks for. Without a window nothing is
 * counted; without a controller that holds the announcement nothing is sent.
 */
export class ServiceReporter {
  readonly #deps: ServiceReporterDeps;
  readonly #services = new Map<CountedService, (() => void) | undefined>();
  #heard: HeardAnnouncement | undefined;
  #counts: WindowCounts | undefined;
  /** Whether this announcement's controller refused a report: no other is sent to it. */
  #isRefused = false;
  #isFailing = false;
  #timer: Timer | undefined;
  #orphaned: Timer | undefined;
  #sending: Promise<void> | undefined;

  constructor(deps: ServiceReporterDeps) {
    this.#deps = deps;
  }

  add(service: CountedService): void {
    this.#services.set(service, this.#counts === undefined ? undefined : service.attemptListeners.add(this.#counts));
  }

  remove(service: CountedService): void {
    this.#services.get(service)?.();
    this.#services.delete(service);
  }

  /** Called with each change of the announcement. */
  hear(heard: HeardAnnouncement | undefined): void {
    this.#heard = heard;
    this.#isRefused = false;
    this.#isFailing = false;
    this.#timer?.cancel();
    this.#orphaned?.cancel();
    const window = heard?.announcement.window;
    if (heard === undefined || window === undefined) {
      this.#count(undefined);
    } else if (!heard.isHeld) {
      // What was counted may be asked for by the next controller; one that left no window to go on with asks for nothing.
      if (this.#counts?.window.id !== window.id) this.#count(undefined);
      else this.#orphaned = this.#deps.clock.setTimer(ORPHAN_MS, () => this.#count(undefined));
    } else {
      if (this.#counts?.window.id !== window.id) this.#count(window);
      // Clients hear at once, and should not all report at once.
      this.#reportIn(this.#deps.random() * window.everyMs, window.everyMs);
    }
  }

  /** One last report of what was counted, within half a second; then nothing is counted or sent any more. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#orphaned?.cancel();
    const report = this.#send(LAST_SEND_LIMIT_MS, true);
    this.#count(undefined);
    this.#heard = undefined;
    await report;
  }

  #count(window: AnnouncedWindow | undefined): void {
    this.#counts = window === undefined ? undefined : new WindowCounts(window);
    for (const [service, stop] of this.#services) {
      stop?.();
      this.#services.set(service, this.#counts === undefined ? undefined : service.attemptListeners.add(this.#counts));
    }
  }

  #reportIn(delayMs: number, everyMs: number): void {
    this.#timer = this.#deps.clock.setTimer(delayMs, () => {
      this.#reportIn(everyMs, everyMs);
      if (this.#sending !== undefined) return;
      this.#sending = this.#send(SEND_LIMIT_MS, false).finally(() => {
        this.#sending = undefined;
      });
    });
  }

  async #send(limitMs: number, isLast: boolean): Promise<void> {
    const { sender, service } = this.#deps;
    const heard = this.#heard;
    if (heard?.isHeld !== true || this.#counts === undefined || this.#isRefused) return;
    const { url, key } = heard.announcement;
    const isShed = (subset: string): boolean => [...this.#services.keys()].some((each) => each.isShed(subset));
    const body = JSON.stringify(this.#counts.report(isShed));
    const outcome = await sender.send(
      { url: `${url}/figures/${encodeURIComponent(service)}`, key, body, isLast },
      limitMs,
    );
    if (this.#heard === heard) this.#settle(outcome);
  }

  #settle(outcome: SendOutcome): void {
    const { logger, service } = this.#deps;
    const wasFailing = this.#isFailing;
    this.#isFailing = outcome.kind !== 'taken';
    if (outcome.kind === 'taken') {
      if (wasFailing) logger.info('figures are reported again', { service });
      return;
    }
    // Too many clients, or a gateway in between: that may pass. Anything else was meant for this report's like.
    if (outcome.kind === 'refused') this.#isRefused = outcome.status < 500 && outcome.status !== 429;
    // Another window, or another controller: the announcement that says so is on its way.
    const isExpected = this.#isRefused && outcome.kind === 'refused' && [401, 409, 410].includes(outcome.status);
    if (wasFailing || isExpected) return;
    const reason = outcome.kind === 'refused' ? `HTTP ${outcome.status}` : outcome.reason;
    logger.warn('figures could not be reported', { service, reason });
  }
}
