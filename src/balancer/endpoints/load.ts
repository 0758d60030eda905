import { Pace } from './pace';

/** A running attempt, as the load of its endpoint keeps it: a link in a list ordered by start. Owned by the caller. */
export interface AttemptLink {
  startedAtMs: number;
  responded: boolean;
  /** Both are undefined while the attempt is not running. */
  previous: AttemptLink | undefined;
  next: AttemptLink | undefined;
}

type LoadOutcome = 'success' | 'failure' | 'neutral';

/** What one endpoint carries now and how fast it answered lately. Times are monotonic milliseconds. */
export interface EndpointLoad {
  /** Attempts begun and not ended. */
  readonly inFlight: number;
  /** Where its last turn stands in the order of all turns of the process; 0 without one. Wraps at 32 bits. */
  readonly lastTurn: number;
  /** Peak-EWMA of the time to the first response as of the last sample, in milliseconds; 0 without a sample. */
  readonly ewmaMs: number;
  /** `ewmaMs` in whole microseconds: pickers compare these, small integers being part of the object where doubles are not. */
  readonly ewmaUs: number;
  /**
   * `ewmaUs` faded with the time that has passed since the last sample; never above it. What an endpoint is *blamed* for
   * fades, so that a slow one is tried again; what others are *measured against* (`ewmaUs`) does not, else an
   * endpoint that nobody called for a while would look like the fastest of all.
   */
  readonly fadedUs: number;
  /** Its oldest attempt is overdue and nothing has come back since. Set by `sweep`, cleared by a response too. */
  readonly isSuspect: boolean;
  /**
   * The same of answers alone, whatever failed in between: what a deadline or a silence is measured against. Milliseconds; 0
   * without an answer.
   */
  readonly usualMs: number;
  /** How it compares with its peers. */
  readonly pace: Pace;
  /**
   * It was picked. Not when the attempt starts: grpc-js picks for all calls of a burst before it starts the first, and whoever
   * had waited longest would get them all.
   */
  takeTurn(): void;
  /** Its breaker has closed: what it was blamed for is over. */
  forgive(nowMs: number): void;
  /** The attempts begun and not ended, oldest first, as of now. */
  running(): readonly AttemptLink[];
  /** Without effect on an attempt that is already running. */
  attemptStarted(attempt: AttemptLink, nowMs: number): void;
  /** First headers or message of the attempt. Calls after the first, and after the end, have no effect. */
  attemptResponded(attempt: AttemptLink, nowMs: number): void;
  /** Calls after the first have no effect. A success that never reported a response is one now. */
  attemptEnded(attempt: AttemptLink, nowMs: number, outcome: LoadOutcome): void;
  /**
   * Called from the lane's shared tick: every 100 ms for as long as anything is in flight. A gap of more than
   * 300 ms is taken for a stalled event loop, and what was measured across it is not believed. True when `isSuspect`
   * is another than after the last sweep, also when a response has cleared it in between.
   */
  sweep(nowMs: number): boolean;
}

/** Time constant of the moving average. */
const EWMA_TAU_MS = 10_000;
/** 0 stands for "no sample", so no sample is 0. */
const MIN_SAMPLE_MS = 0.001;
/** The first event of a watch stream may come after an hour, and must not bar the endpoint for long. */
export const MAX_SAMPLE_MS = 10_000;
/** One failure makes an endpoint look this much slower at most. */
const MAX_FAILURE_FACTOR = 10;
const SUSPECT_FLOOR_MS = 100;
const SUSPECT_FACTOR = 10;
const STALL_MS = 300;

/** The load of an endpoint that was never called: no latency known, which the pickers treat as neither fast nor slow. */
export function createEndpointLoad(): EndpointLoad {
  return new TrackedLoad();
}

export function createAttemptLink(): AttemptLink {
  return { startedAtMs: 0, responded: false, previous: undefined, next: undefined };
}

/** Turns taken so far, in 32 bits. */
let turns = 0;

class TrackedLoad implements EndpointLoad {
  // What a pick reads comes first, to lie in one cache line.
  inFlight = 0;
  ewmaUs = 0;
  fadedUs = 0;
  isSuspect = false;
  lastTurn = 0;
  ewmaMs = 0;
  usualMs = 0;
  readonly pace = new Pace();

  /** Head and tail of the circular list of running attempts; a link outside the list has no neighbours. */
  private readonly ends: AttemptLink = createAttemptLink();
  /** Oldest running attempt that began after the last response from this endpoint. */
  private unanswered: AttemptLink | undefined = undefined;
  private sampledAtMs = 0;
  private sweptAtMs = Number.NEGATIVE_INFINITY;
  private wasSuspectAtSweep = false;
  private busySinceMs = 0;
  /** Attempts begun before this lived through a stall of our own event loop. */
  private trustedSinceMs = Number.NEGATIVE_INFINITY;

  constructor() {
    this.ends.previous = this.ends;
    this.ends.next = this.ends;
  }

  takeTurn(): void {
    turns = (turns + 1) | 0;
    this.lastTurn = turns;
  }

  running(): readonly AttemptLink[] {
    const running: AttemptLink[] = [];
    for (let link = this.ends.next; link !== undefined && link !== this.ends; link = link.next) running.push(link);
    return running;
  }

  attemptStarted(attempt: AttemptLink, nowMs: number): void {
    if (attempt.next !== undefined) return;
    attempt.startedAtMs = nowMs;
    attempt.responded = false;
    const last = this.ends.previous ?? this.ends;
    attempt.previous = last;
    attempt.next = this.ends;
    last.next = attempt;
    this.ends.previous = attempt;
    if (this.inFlight === 0) this.busySinceMs = nowMs;
    this.inFlight += 1;
    this.unanswered ??= attempt;
  }

  attemptResponded(attempt: AttemptLink, nowMs: number): void {
    if (attempt.next === undefined || attempt.responded) return;
    attempt.responded = true;
    this.receive(attempt, nowMs);
  }

  attemptEnded(attempt: AttemptLink, nowMs: number, outcome: LoadOutcome): void {
    const { previous, next } = attempt;
    if (previous === undefined || next === undefined) return;
    if (this.unanswered === attempt) this.unanswered = next === this.ends ? undefined : next;
    previous.next = next;
    next.previous = previous;
    attempt.previous = undefined;
    attempt.next = undefined;
    this.inFlight -= 1;
    if (attempt.responded) return;
    if (outcome === 'success') this.receive(attempt, nowMs);
    else if (outcome === 'failure') this.blame(attempt, nowMs);
  }

  sweep(nowMs: number): boolean {
    const stalled = this.isStalled(nowMs);
    if (stalled) this.trustedSinceMs = nowMs;
    this.sweptAtMs = nowMs;
    if (this.ewmaMs > 0) this.fadedUs = Math.round(this.ewmaUs * Math.exp((this.sampledAtMs - nowMs) / EWMA_TAU_MS));
    const was = this.isSuspect;
    const toldBefore = this.wasSuspectAtSweep;
    // After a stall the answers may well lie unread in the sockets: whoever was not suspect before is not now.
    this.isSuspect = this.isOverdue(nowMs) && (was || !stalled);
    this.wasSuspectAtSweep = this.isSuspect;
    return this.isSuspect !== toldBefore;
  }

  private isOverdue(nowMs: number): boolean {
    if (this.unanswered === undefined) return false;
    return nowMs - this.unanswered.startedAtMs > Math.max(SUSPECT_FLOOR_MS, SUSPECT_FACTOR * this.usualMs);
  }

  forgive(nowMs: number): void {
    if (this.usualMs > 0 && this.usualMs < this.ewmaMs) this.learn(this.usualMs, nowMs);
  }

  /** Whatever runs now began before this response, so none of it is evidence of silence any more. */
  private receive(attempt: AttemptLink, nowMs: number): void {
    this.unanswered = undefined;
    this.isSuspect = false;
    if (this.isDistorted(attempt, nowMs)) return;
    const sampleMs = Math.min(Math.max(nowMs - attempt.startedAtMs, MIN_SAMPLE_MS), MAX_SAMPLE_MS);
    if (this.pace.sampled(sampleMs, attempt.startedAtMs, nowMs)) {
      this.usualMs = sampleMs;
      this.learn(sampleMs, nowMs);
      return;
    }
    const kept = Math.exp((this.sampledAtMs - nowMs) / EWMA_TAU_MS);
    this.usualMs = peak(this.usualMs, sampleMs, kept);
    this.learn(peak(this.ewmaMs, sampleMs, kept), nowMs);
  }

  /** A failure never makes an endpoint look fast, however quickly it came; one that took long makes it look slow. */
  private blame(attempt: AttemptLink, nowMs: number): void {
    const elapsedMs = nowMs - attempt.startedAtMs;
    if (this.ewmaMs === 0 || elapsedMs <= this.ewmaMs || this.isDistorted(attempt, nowMs)) return;
    this.learn(Math.min(elapsedMs, MAX_FAILURE_FACTOR * this.ewmaMs, MAX_SAMPLE_MS), nowMs);
  }

  private learn(ewmaMs: number, nowMs: number): void {
    this.ewmaMs = ewmaMs;
    this.ewmaUs = Math.max(1, Math.round(ewmaMs * 1000));
    this.fadedUs = this.ewmaUs;
    this.sampledAtMs = nowMs;
  }

  private isDistorted(attempt: AttemptLink, nowMs: number): boolean {
    return attempt.startedAtMs < this.trustedSinceMs || this.isStalled(nowMs);
  }

  private isStalled(nowMs: number): boolean {
    return nowMs - Math.max(this.sweptAtMs, this.busySinceMs) > STALL_MS;
  }
}

/** A sample above the average is taken at once, one below draws it down as far as time has passed. */
function peak(averageMs: number, sampleMs: number, kept: number): number {
  return sampleMs < averageMs ? sampleMs + (averageMs - sampleMs) * kept : sampleMs;
}
