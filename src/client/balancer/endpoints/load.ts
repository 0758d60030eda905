import { AttemptLink } from '../attempts/attempt-link';
import { LONG_MS, type MethodTime } from '../attempts/methods';
import { LATE_FACTOR, LatencyOutlier, Witness } from './latency-outlier';
import { ReportedCapacity } from './reported-capacity';
import { Share } from './share';
import { Suspicion } from './suspicion';

/**
 * `success`: a good answer, OK with a single message, or a stream that ended OK. `answered`: the server answered
 * otherwise, with an error of any code. `failure`: it did not, or turned the call away, or its breaker counts it so.
 */
export type LoadOutcome = 'success' | 'answered' | 'failure' | 'neutral';

/** Time constant of the moving average. */
const EWMA_TAU_MS = 10_000;
/** What is quicker counts as this, so that less than 1 ms, three times as long, is left to our own event loop. */
const LEAST_USUAL_MS = 1 / 3;
/** One answer makes an endpoint look so many times slower than usual at most: it is forgotten in 46 s then. */
const MAX_SLOWNESS = 300;
const MAX_SAMPLE_MS = 10_000;
/** One failure makes an endpoint look this much slower at most. */
const MAX_FAILURE_FACTOR = 10;
const SUSPECT_FLOOR_MS = 100;
const SUSPECT_FACTOR = 10;
/** The same of a method that nobody has answered yet. */
const UNKNOWN_SUSPECT_MS = 1_000;
const STALL_MS = 300;
/** A living peer has answered a ping by then. */
const PROOF_MS = 500;
/** A stream that fails counts among the open ones for so long, while nobody knows how long such streams last. */
const FAILED_STREAM_MS = 3_000;

/** Turns taken so far, in 32 bits. */
let turns = 0;

/**
 * What one endpoint carries now and how fast it answered lately. Of an endpoint that was never called no latency is
 * known, which the pickers treat as neither fast nor slow. Times are monotonic milliseconds. The model on one page:
 * docs/balancing.md.
 */
export class EndpointLoad {
  // What a pick reads comes first, to lie in one cache line.
  /** What picks for quick calls compare: those in flight or just picked, and failures sooner than a good answer. */
  busy = 0;
  /**
   * `slowness` in whole thousandths: pickers compare these, small integers being part of the object where doubles are
   * not. What *others* are measured against: it does not fade, else an endpoint that nobody called for a while would
   * look like the fastest of all. 0, which is no measure, without a sample and after a failure until the next good
   * answer.
   */
  measure = 0;
  /**
   * `slowness` in whole thousandths, faded with the time that has passed since the last sample: what it is *blamed* for
   * fades, so that a slow one is tried again.
   */
  blame = 0;
  /**
   * An attempt, streams aside, is overdue and nothing has come back since it began. Set by `sweep`, cleared by a
   * response too.
   */
  isSuspect = false;
  /** Where its last turn stands in the order of all turns of the process; 0 without one. Wraps at 32 bits. */
  lastTurn = 0;
  /** What picks for streams and long calls compare: those in flight or just picked, and those that failed lately. */
  lastingBusy = 0;
  /** Attempts begun and not ended, streams included. */
  inFlight = 0;
  /** Peak-EWMA of its good answers, in multiples of their methods' usual times, and its blame. 1: usual, 0: no sample. */
  slowness = 0;
  /** Peak-EWMA of how long its good answers took, in milliseconds, whatever their methods; 0 without one. */
  usualMs = 0;
  /**
   * The registry says that its node has failed: it is a suspect until something comes from it, or until the registry
   * takes it back.
   */
  isDoubted = false;
  /** It has been doubted for longer than a living peer takes to answer a ping. */
  isUnproven = false;
  /** How it compares with its peers. */
  readonly latencyOutlier: LatencyOutlier = new LatencyOutlier();
  /** How much of its weight it gets, as it turns calls away. */
  readonly share: Share = new Share();
  /** What it reports of its own capacity. */
  readonly capacity: ReportedCapacity = new ReportedCapacity();
  /** How it is looked at again while it is suspect. */
  readonly suspicion: Suspicion = new Suspicion();

  private readonly witness: Witness = new Witness();
  /** `slowness` of good answers alone, the first included, and what the last of them said; 0 without one. */
  private usualSlowness = 0;
  private lastSlowness = 1;
  private lasting = 0;
  /** Picked for since the last sweep and not started, and the same of those that last. */
  private offered = 0;
  private offeredLasting = 0;
  private readonly failedCalls = new QuickFailures();
  private readonly failedLasting = new QuickFailures();
  /** Heads and tails of the circular lists of running attempts; a link outside the lists has no neighbours. */
  private readonly calls: AttemptLink = new AttemptLink();
  private readonly streams: AttemptLink = new AttemptLink();
  /** Oldest attempt, streams aside, that began after the last response from this endpoint. */
  private unanswered: AttemptLink | undefined = undefined;
  private sampledAtMs = 0;
  private sweptAtMs = Number.NEGATIVE_INFINITY;
  private wasSuspectAtSweep = false;
  /** As of the last sweep, and nothing has come since. */
  private hasOverdue = false;
  private doubtedAtMs = 0;
  private busySinceMs = 0;
  /** Attempts begun before this lived through a stall of our own event loop. */
  private trustedSinceMs = Number.NEGATIVE_INFINITY;

  constructor() {
    for (const ends of [this.calls, this.streams]) {
      ends.previous = ends;
      ends.next = ends;
    }
  }

  /**
   * How long a good answer of this method usually takes here, in milliseconds: the method's own time, and longer as far
   * as this endpoint has been slower than usual. 0 when unknown.
   */
  usualOf({ usualMs }: MethodTime): number {
    return usualMs * Math.max(1, this.usualSlowness);
  }

  /**
   * It was picked: the attempt counts from now on, until the next sweep should it never start. grpc-js picks for all
   * calls of a burst before it starts the first, and whoever had least to do before would get them all.
   */
  picked(lasts: boolean): void {
    turns = (turns + 1) | 0;
    this.lastTurn = turns;
    if (lasts) this.offeredLasting += 1;
    else this.offered += 1;
    if (lasts) this.lastingBusy += 1;
    else this.busy += 1;
  }

  /** The attempts begun and not ended as of now: calls, oldest first, then streams. */
  running(): readonly AttemptLink[] {
    const running: AttemptLink[] = [];
    for (const ends of [this.calls, this.streams]) {
      for (let link = ends.next; link !== undefined && link !== ends; link = link.next) running.push(link);
    }
    return running;
  }

  /** Without effect on an attempt that is already running. */
  attemptStarted(attempt: AttemptLink, nowMs: number): void {
    if (attempt.next !== undefined) return;
    attempt.startedAtMs = nowMs;
    attempt.responded = false;
    const ends = attempt.isStream ? this.streams : this.calls;
    const last = ends.previous ?? ends;
    attempt.previous = last;
    attempt.next = ends;
    last.next = attempt;
    ends.previous = attempt;
    if (this.inFlight === 0) this.busySinceMs = nowMs;
    this.inFlight += 1;
    if (!attempt.isStream) this.unanswered ??= attempt;
    if (attempt.lasts) {
      this.lasting += 1;
      if (this.offeredLasting > 0) this.offeredLasting -= 1;
    } else if (this.offered > 0) this.offered -= 1;
    this.weigh(nowMs);
  }

  /** First headers or message of the attempt. Calls after the first, and after the end, have no effect. */
  attemptResponded(attempt: AttemptLink): void {
    if (attempt.next === undefined || attempt.responded) return;
    attempt.responded = true;
    this.receive();
  }

  /** Calls after the first have no effect. The method's time knows of it already. */
  attemptEnded(attempt: AttemptLink, nowMs: number, outcome: LoadOutcome): void {
    const { previous, next } = attempt;
    if (previous === undefined || next === undefined) return;
    if (this.unanswered === attempt) this.unanswered = next === this.calls ? undefined : next;
    previous.next = next;
    next.previous = previous;
    attempt.previous = undefined;
    attempt.next = undefined;
    this.inFlight -= 1;
    if (attempt.lasts) this.lasting -= 1;
    if (!attempt.responded && (outcome === 'success' || outcome === 'answered')) this.receive();
    if (outcome === 'success') this.answered(attempt, nowMs);
    else if (outcome !== 'neutral') this.failed(attempt, nowMs);
    this.weigh(nowMs);
  }

  /**
   * Called from the registry's tick: every 100 ms for as long as anything is in flight. A gap of more than
   * 300 ms is taken for a stalled event loop, and what was measured across it is not believed. True when `isSuspect`
   * is another than after the last sweep, also when a response has cleared it in between.
   */
  sweep(nowMs: number): boolean {
    const stalled = this.isStalled(nowMs);
    if (stalled) this.trustedSinceMs = nowMs;
    this.sweptAtMs = nowMs;
    if (this.slowness > 0) {
      this.blame = Math.round(1000 * this.slowness * Math.exp((this.sampledAtMs - nowMs) / EWMA_TAU_MS));
    }
    this.offered = this.offeredLasting = 0;
    this.setApart(nowMs);
    this.weigh(nowMs);
    const was = this.isSuspect;
    const toldBefore = this.wasSuspectAtSweep;
    // After a stall the answers may well lie unread in the sockets: whoever was not suspect before is not now.
    this.hasOverdue = this.isOverdue(nowMs) && (this.hasOverdue || !stalled);
    this.isSuspect = this.hasOverdue || this.isDoubted;
    if (this.isSuspect && !was) this.suspicion.began(nowMs);
    this.wasSuspectAtSweep = this.isSuspect;
    const isGivenUp = this.isDoubted && !this.isUnproven && !stalled && nowMs - this.doubtedAtMs >= PROOF_MS;
    if (isGivenUp) this.isUnproven = true;
    return isGivenUp || this.isSuspect !== toldBefore;
  }

  /** A long poll may be the oldest, and not overdue where a younger call is. */
  private isOverdue(nowMs: number): boolean {
    for (let link = this.unanswered; link !== undefined && link !== this.calls; link = link.next) {
      const ageMs = nowMs - link.startedAtMs;
      if (ageMs <= SUSPECT_FLOOR_MS) return false;
      const usualMs = this.usualOf(link.time);
      if (ageMs > (usualMs > 0 ? SUSPECT_FACTOR * usualMs : UNKNOWN_SUSPECT_MS)) return true;
    }
    return false;
  }

  /** The registry says that its node has failed. */
  doubt(nowMs: number): void {
    if (!this.isSuspect) this.suspicion.began(nowMs);
    this.isDoubted = true;
    this.isUnproven = false;
    this.isSuspect = true;
    this.doubtedAtMs = nowMs;
  }

  /** Its peer answers: a new connection, or a ping. Of the calls that run it says nothing. */
  proven(): void {
    if (!this.isDoubted) return;
    this.isDoubted = false;
    this.isUnproven = false;
    this.isSuspect = this.hasOverdue;
  }

  /** Its breaker has closed, or its silent connection is replaced: what it was blamed for is over. */
  forgive(nowMs: number): void {
    this.failedCalls.forget();
    this.failedLasting.forget();
    this.weigh(nowMs);
    this.witness.restart(this.lastSlowness);
    if (this.slowness > this.lastSlowness) this.learn(this.lastSlowness, nowMs);
  }

  /** A health check has passed: what runs now is no evidence of silence. */
  vouched(): void {
    this.receive();
    this.suspicion.isVouchSpent = true;
  }

  /**
   * Calls that turn out to last: of a method that nobody had answered when they began, or overdue. Where they are
   * evidence of illness the endpoint is suspect; how much it has to do they do not say, and must not turn quick calls
   * away for good.
   */
  private setApart(nowMs: number): void {
    for (let link = this.calls.next; link !== undefined && link !== this.calls; link = link.next) {
      const ageMs = nowMs - link.startedAtMs;
      if (ageMs < LONG_MS) return;
      const { time } = link;
      if (link.lasts || (time.usualMs > 0 && !time.isLong && ageMs <= SUSPECT_FACTOR * time.usualMs)) continue;
      link.lasts = true;
      this.lasting += 1;
    }
  }

  /** What pickers read, from what has changed. */
  private weigh(nowMs: number): void {
    this.failedCalls.fade(nowMs);
    this.failedLasting.fade(nowMs);
    this.busy = this.inFlight - this.lasting + this.offered + this.failedCalls.count;
    this.lastingBusy = this.lasting + this.offeredLasting + this.failedLasting.count;
  }

  /** Whatever runs now began before this response, so none of it is evidence of silence any more. */
  private receive(): void {
    this.unanswered = undefined;
    this.hasOverdue = false;
    this.isSuspect = false;
    this.proven();
    this.suspicion.isVouchSpent = false;
  }

  private answered(attempt: AttemptLink, nowMs: number): void {
    if (attempt.isStream || this.isDistorted(attempt, nowMs)) return;
    const { time } = attempt;
    const tookMs = nowMs - attempt.startedAtMs;
    const kept = Math.exp((this.sampledAtMs - nowMs) / EWMA_TAU_MS);
    this.usualMs = Math.min(peak(this.usualMs, tookMs, kept), MAX_SAMPLE_MS);
    // Long polls vary: what is usual of a method takes time to tell where it takes long.
    if (time.isLong && !time.isKnown) return;
    const sample = Math.min(multiple(tookMs, time.usualMs), MAX_SLOWNESS);
    if (this.latencyOutlier.sampled(sample, tookMs, attempt.startedAtMs, nowMs)) {
      this.usualMs = tookMs;
      this.lastSlowness = this.usualSlowness = Math.max(1, sample);
      this.witness.restart(sample);
      this.learn(this.lastSlowness, nowMs);
      return;
    }
    const seen = this.witness.confirmed(sample, time.lateness, attempt.startedAtMs, nowMs);
    // The first says alone how long to wait for an answer: rather too long.
    this.usualSlowness = this.usualSlowness === 0 ? sample : peak(this.usualSlowness, seen, kept);
    this.lastSlowness = seen;
    this.learn(peak(this.slowness, seen, kept), nowMs);
  }

  /** A failure never makes an endpoint look fast, however quickly it came; those that took long make it look slow. */
  private failed(attempt: AttemptLink, nowMs: number): void {
    const tookMs = nowMs - attempt.startedAtMs;
    const { usualMs, lateness } = attempt.time;
    const unknownMs = attempt.lasts ? FAILED_STREAM_MS : LONG_MS;
    (attempt.lasts ? this.failedLasting : this.failedCalls).failed(tookMs, usualMs > 0 ? usualMs : unknownMs, nowMs);
    if (attempt.isStream) return;
    const sample = Math.min(multiple(tookMs, usualMs), MAX_SLOWNESS);
    if (usualMs > 0 && sample > LATE_FACTOR && !this.isDistorted(attempt, nowMs)) {
      const seen = this.witness.confirmed(sample, lateness, attempt.startedAtMs, nowMs);
      const raised = Math.min(seen, MAX_FAILURE_FACTOR * this.slowness);
      if (raised > this.slowness) this.learn(raised, nowMs);
    }
    this.measure = 0;
  }

  private learn(slowness: number, nowMs: number): void {
    this.slowness = slowness;
    this.measure = Math.max(1, Math.round(1000 * slowness));
    this.blame = this.measure;
    this.sampledAtMs = nowMs;
  }

  private isDistorted(attempt: AttemptLink, nowMs: number): boolean {
    return attempt.startedAtMs < this.trustedSinceMs || this.isStalled(nowMs);
  }

  private isStalled(nowMs: number): boolean {
    return nowMs - Math.max(this.sweptAtMs, this.busySinceMs) > STALL_MS;
  }
}

/** How many times the usual time an answer took. > 0. */
function multiple(tookMs: number, usualMs: number): number {
  return Math.max(tookMs, LEAST_USUAL_MS) / Math.max(usualMs, LEAST_USUAL_MS);
}

/** A sample above the average is taken at once, one below draws it down as far as time has passed. */
function peak(average: number, sample: number, kept: number): number {
  return sample < average ? sample + (average - sample) * kept : sample;
}

/** What has faded to this counts no more. */
const LEAST = 0.2;

/**
 * Failures that came sooner than a good answer would have. Each goes on counting like an attempt in flight for as long
 * as a good answer takes: else what fails at once has nothing in flight, and every picker that compares attempts in
 * flight would send it more. Fades with the usual time as its time constant, so that no timer is needed.
 */
class QuickFailures {
  /** How many attempts they count for, as of the last call of a method. */
  count = 0;
  #sum = 0;
  #usualMs = 1;
  #atMs = 0;

  /** @param usualMs What a good answer takes, in milliseconds. */
  failed(elapsedMs: number, usualMs: number, nowMs: number): void {
    if (elapsedMs >= usualMs) return;
    this.fade(nowMs);
    this.#usualMs = usualMs;
    this.#atMs = nowMs;
    this.#sum += 1 - elapsedMs / usualMs;
    this.count = Math.ceil(this.#sum - LEAST);
  }

  forget(): void {
    this.#sum = 0;
    this.count = 0;
  }

  fade(nowMs: number): void {
    if (this.#sum === 0) return;
    this.#sum *= Math.exp((this.#atMs - nowMs) / this.#usualMs);
    this.#atMs = nowMs;
    if (this.#sum <= LEAST) this.#sum = 0;
    this.count = this.#sum === 0 ? 0 : Math.ceil(this.#sum - LEAST);
  }
}
