import { randomBytes } from 'node:crypto';
import type { Timer } from '../../base/clock';
import {
  type AnnouncedWindow,
  DURATION_BOUNDS_MS,
  type ReportedCounts,
  type RolloutMetricsReport,
} from '../../base/rollout-metrics';
import type { Runtime } from '../../base/runtime';
import type { AttemptListener } from '../balancer/context';
import type { Outcome } from '../breaker/outcome';
import type { CurrentAnnouncement } from './announcement-watch';
import type { ReportSender, SendOutcome } from './report-sender';

/** A service of the Graylane client while it is in use: what counting it takes. */
export interface CountedService {
  readonly attemptListeners: Set<AttemptListener>;
  /** The breaker of this subset is open, in any datacenter. */
  isShed(subset: string): boolean;
}

export interface ServiceReporterDeps extends Runtime {
  readonly service: string;
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
  readonly #services = new Set<CountedService>();
  #announced: CurrentAnnouncement | undefined;
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
    this.#services.add(service);
    if (this.#counts !== undefined) service.attemptListeners.add(this.#counts);
  }

  remove(service: CountedService): void {
    this.#services.delete(service);
    if (this.#counts !== undefined) service.attemptListeners.delete(this.#counts);
  }

  /** Called with each change of the announcement. */
  announce(current: CurrentAnnouncement | undefined): void {
    this.#announced = current;
    this.#isRefused = false;
    this.#isFailing = false;
    this.#timer?.cancel();
    this.#orphaned?.cancel();
    const window = current?.announcement.window;
    if (current === undefined || window === undefined) {
      this.#count(undefined);
    } else if (!current.isHeld) {
      // What was counted may be asked for by the next controller; one that left no window to go on with asks for
      // nothing.
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
    this.#announced = undefined;
    await report;
  }

  #count(window: AnnouncedWindow | undefined): void {
    const former = this.#counts;
    this.#counts = window === undefined ? undefined : new WindowCounts(window);
    for (const { attemptListeners } of this.#services) {
      if (former !== undefined) attemptListeners.delete(former);
      if (this.#counts !== undefined) attemptListeners.add(this.#counts);
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
    const current = this.#announced;
    if (current?.isHeld !== true || this.#counts === undefined || this.#isRefused) return;
    const { url, key } = current.announcement;
    const isShed = (subset: string): boolean => [...this.#services.keys()].some((each) => each.isShed(subset));
    const body = JSON.stringify(this.#counts.report(isShed));
    const outcome = await sender.send(
      { url: `${url}/figures/${encodeURIComponent(service)}`, key, body, isLast },
      limitMs,
    );
    if (this.#announced === current) this.#settle(outcome);
  }

  #settle(outcome: SendOutcome): void {
    const { logger, service } = this.#deps;
    const wasFailing = this.#isFailing;
    this.#isFailing = outcome.kind !== 'taken';
    if (outcome.kind === 'taken') {
      if (wasFailing) logger.info('rollout metrics are reported again', { service });
      return;
    }
    // Too many clients, or a gateway in between: that may pass. Anything else was meant for this report's like.
    if (outcome.kind === 'refused') this.#isRefused = outcome.status < 500 && outcome.status !== 429;
    // Another window, or another controller: the announcement that says so is on its way.
    const isExpected = this.#isRefused && outcome.kind === 'refused' && [401, 409, 410].includes(outcome.status);
    if (wasFailing || isExpected) return;
    const reason = outcome.kind === 'refused' ? `HTTP ${outcome.status}` : outcome.reason;
    logger.warn('rollout metrics could not be reported', { service, reason });
  }
}

/** One client's counts of one window. Called with each attempt; allocates nothing then. */
export class WindowCounts implements AttemptListener {
  readonly window: AnnouncedWindow;
  readonly #client = randomBytes(12).toString('base64url');
  readonly #canary = new SubsetCounts();
  readonly #stable = new SubsetCounts();
  #number = 0;

  constructor(window: AnnouncedWindow) {
    this.window = window;
  }

  attemptEnded(wanted: string, served: string, outcome: Outcome, latencyMs: number): void {
    this.#of(served)?.ended(outcome, latencyMs);
    if (wanted === served) return;
    const meant = this.#of(wanted);
    if (meant !== undefined) meant.fallbacks += 1;
  }

  answersCompared(subset: string, isDiffering: boolean): void {
    this.#of(subset)?.compared(isDiffering);
  }

  /** `isShed`: whether the breaker of a subset is open now. */
  report(isShed: (subset: string) => boolean): RolloutMetricsReport {
    const { id, canary, stable } = this.window;
    this.#number += 1;
    return {
      format: 1,
      client: this.#client,
      window: id,
      number: this.#number,
      canary: this.#canary.report(isShed(canary)),
      stable: this.#stable.report(isShed(stable)),
    };
  }

  #of(subset: string): SubsetCounts | undefined {
    if (subset === this.window.canary) return this.#canary;
    return subset === this.window.stable ? this.#stable : undefined;
  }
}

class SubsetCounts {
  fallbacks = 0;
  #calls = 0;
  #failures = 0;
  #neutral = 0;
  #compared = 0;
  #differing = 0;
  readonly #durations: number[] = Array.from({ length: DURATION_BOUNDS_MS.length + 1 }, () => 0);

  ended(outcome: Outcome, latencyMs: number): void {
    if (outcome === 'neutral') {
      this.#neutral += 1;
      return;
    }
    this.#calls += 1;
    if (outcome !== 'success') this.#failures += 1;
    const bucket = bucketOf(latencyMs);
    this.#durations[bucket] = (this.#durations[bucket] ?? 0) + 1;
  }

  compared(isDiffering: boolean): void {
    this.#compared += 1;
    if (isDiffering) this.#differing += 1;
  }

  report(isShed: boolean): ReportedCounts {
    return {
      calls: this.#calls,
      failures: this.#failures,
      neutral: this.#neutral,
      fallbacks: this.fallbacks,
      isShed,
      durations: [...this.#durations],
      ...(this.#compared > 0 && { compared: this.#compared, differing: this.#differing }),
    };
  }
}

/** The first bucket whose bound is not below; a bound belongs to the bucket under it, as with Prometheus. */
function bucketOf(latencyMs: number): number {
  let low = 0;
  let high = DURATION_BOUNDS_MS.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (latencyMs <= (DURATION_BOUNDS_MS[middle] ?? 0)) high = middle;
    else low = middle + 1;
  }
  return low;
}
