import { MethodTime } from '../attempts/method-times';
import { Pace } from './pace';
import { QuickFailures } from './quick-failures';
import { Suspicion } from './suspicion';

/** A running attempt, as the load of its endpoint keeps it: a link in a list ordered by start. Owned by the caller. */
export interface AttemptLink {
  startedAtMs: number;
  responded: boolean;
  /** Of its method, over all endpoints: until a good answer, or of streams until their end. */
  readonly time: MethodTime;
  /** Its response is a stream: it counts apart, and teaches no latency. Does not change while it runs. */
  readonly isStream: boolean;
  /**
   * Its silence says something. Not of a stream, which may have nothing to say; nor of an upload or a call of unknown kind
   * whose method's time is not known. Does not change while it runs.
   */
  readonly isWatched: boolean;
  /** Both are undefined while the attempt is not running. */
  previous: AttemptLink | undefined;
  next: AttemptLink | undefined;
}

/**
 * `success`: a good answer, OK with a single message, or a stream that ended OK. `answered`: the server answered
 * otherwise, with an error of any code. `failure`: it did not, or its breaker counts it so.
 */
export type LoadOutcome = 'success' | 'answered' | 'failure' | 'neutral';

/**
 * What one endpoint carries now and how fast it answered lately. Times are monotonic milliseconds. The model on one page:
 * docs/balancing.md.
 */
export interface EndpointLoad {
  /** Attempts begun and not ended, streams included. */
  readonly inFlight: number;
  /** What picks for calls compare: calls in flight, and failures that came sooner than a good answer. */
  readonly busy: number;
  /** What picks for streams compare: streams in flight or just picked, and those that failed lately. */
  readonly busyStreams: number;
  /** Where its last turn stands in the order of all turns of the process; 0 without one. Wraps at 32 bits. */
  readonly lastTurn: number;
  /**
   * How slow it was lately: peak-EWMA of its good answers, in multiples of their methods' usual times, with what it was blamed for
   * since. 1 is usual, 0 is no sample.
   */
  readonly slowness: number;
  /**
   * `slowness` in whole thousandths: pickers compare these, small integers being part of the object where doubles are not.
   * What *others* are measured against: it does not fade, else an endpoint that nobody called for a while would look like
   * the fastest of all. 0, which is no measure, without a sample and after a failure until the next good answer.
   */
  readonly measure: number;
  /**
   * `slowness` in whole thousandths, faded with the time that has passed since the last sample: what it is *blamed* for
   * fades, so that a slow one is tried again.
   */
  readonly blame: number;
  /** Its oldest watched attempt is overdue and nothing has come back since. Set by `sweep`, cleared by a response too. */
  readonly isSuspect: boolean;
  /** Peak-EWMA of how long its good answers took, in milliseconds, whatever their methods; 0 without one. */
  readonly usualMs: number;
  /** How it compares with its peers. */
  readonly pace: Pace;
  /** How it is looked at again while it is suspect. */
  readonly suspicion: Suspicion;
  /**
   * How long a good answer of this method usually takes here, in milliseconds: the method's own time, and longer as far as
   * this endpoint has been slower than usual. 0 when unknown.
   */
  usualOf(time: MethodTime): number;
  /**
   * It was picked. Not when the attempt starts: grpc-js picks for all calls of a burst before it starts the first, and whoever
   * had waited longest would get them all.
   */
  takeTurn(): void;
  /** It was picked for a stream, which counts from now on; until the next sweep, should it never start. */
  takeStream(): void;
  /** Its breaker has closed: what it was blamed for is over. */
  forgive(nowMs: number): void;
  /** A health check has passed: what runs now is no evidence of silence. */
  vouched(): void;
  /** The attempts begun and not ended: those whose silence counts first, oldest first, as of now. */
  running(): readonly AttemptLink[];
  /** Without effect on an attempt that is already running. */
  attemptStarted(attempt: AttemptLink, nowMs: number): void;
  /** First headers or message of the attempt. Calls after the first, and after the end, have no effect. */
  attemptResponded(attempt: AttemptLink): void;
  /** Calls after the first have no effect. The method's time knows of it already. */
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
/** What is quicker counts as this, so that less than 1 ms, three times as long, is left to our own event loop. */
const LEAST_USUAL_MS = 1 / 3;
/** One answer makes an endpoint look so many times slower than usual at most: it is forgotten in 46 s then. */
const MAX_SLOWNESS = 300;
const MAX_SAMPLE_MS = 10_000;
/** One failure makes an endpoint look this much slower at most. */
const MAX_FAILURE_FACTOR = 10;
const SUSPECT_FLOOR_MS = 100;
const SUSPECT_FACTOR = 10;
const STALL_MS = 300;
/** A stream that fails counts among the open ones for so long, while nobody knows how long such streams last. */
const FAILED_STREAM_MS = 3_000;

/** The load of an endpoint that was never called: no latency known, which the pickers treat as neither fast nor slow. */
export function createEndpointLoad(): EndpointLoad {
  return new TrackedLoad();
}

/** For simulations. Without a time of its method, milliseconds are the multiples: the usual time is 1 ms. */
export function createAttemptLink(
  time: MethodTime = new MethodTime(1),
  kind: 'call' | 'unwatched' | 'stream' = 'call',
): AttemptLink {
  const isStream = kind === 'stream';
  const isWatched = kind === 'call';
  return { startedAtMs: 0, responded: false, time, isStream, isWatched, previous: undefined, next: undefined };
}

/** Turns taken so far, in 32 bits. */
let turns = 0;

class TrackedLoad implements EndpointLoad {
  // What a pick reads comes first, to lie in one cache line.
  busy = 0;
  measure = 0;
  blame = 0;
  isSuspect = false;
  lastTurn = 0;
  busyStreams = 0;
  inFlight = 0;
  slowness = 0;
  usualMs = 0;
  readonly pace = new Pace();
  readonly suspicion = new Suspicion();

  /** `slowness` of good answers alone, whatever failed in between; 0 without one. */
  private usualSlowness = 0;
  private streams = 0;
  /** Streams it was picked for since the last sweep that have not started. */
  private offeredStreams = 0;
  private readonly failedCalls = new QuickFailures();
  private readonly failedStreams = new QuickFailures();
  /** Heads and tails of the circular lists of running attempts; a link outside the lists has no neighbours. */
  private readonly watched: AttemptLink = createAttemptLink();
  private readonly unwatched: AttemptLink = createAttemptLink();
  /** Oldest watched attempt that began after the last response from this endpoint. */
  private unanswered: AttemptLink | undefined = undefined;
  private sampledAtMs = 0;
  private sweptAtMs = Number.NEGATIVE_INFINITY;
  private wasSuspectAtSweep = false;
  private busySinceMs = 0;
  /** Attempts begun before this lived through a stall of our own event loop. */
  private trustedSinceMs = Number.NEGATIVE_INFINITY;

  constructor() {
    for (const ends of [this.watched, this.unwatched]) {
      ends.previous = ends;
      ends.next = ends;
    }
  }

  usualOf({ usualMs }: MethodTime): number {
    return usualMs * Math.max(1, this.usualSlowness);
  }

  takeTurn(): void {
    turns = (turns + 1) | 0;
    this.lastTurn = turns;
  }

  takeStream(): void {
    this.offeredStreams += 1;
    this.busyStreams += 1;
  }

  running(): readonly AttemptLink[] {
    const running: AttemptLink[] = [];
    for (const ends of [this.watched, this.unwatched]) {
      for (let link = ends.next; link !== undefined && link !== ends; link = link.next) running.push(link);
    }
    return running;
  }

  attemptStarted(attempt: AttemptLink, nowMs: number): void {
    if (attempt.next !== undefined) return;
    attempt.startedAtMs = nowMs;
    attempt.responded = false;
    const ends = attempt.isWatched ? this.watched : this.unwatched;
    const last = ends.previous ?? ends;
    attempt.previous = last;
    attempt.next = ends;
    last.next = attempt;
    ends.previous = attempt;
    if (this.inFlight === 0) this.busySinceMs = nowMs;
    this.inFlight += 1;
    if (attempt.isWatched) this.unanswered ??= attempt;
    if (attempt.isStream) {
      this.streams += 1;
      if (this.offeredStreams > 0) this.offeredStreams -= 1;
    }
    this.weigh(nowMs);
  }

  attemptResponded(attempt: AttemptLink): void {
    if (attempt.next === undefined || attempt.responded) return;
    attempt.responded = true;
    this.receive();
  }

  attemptEnded(attempt: AttemptLink, nowMs: number, outcome: LoadOutcome): void {
    const { previous, next } = attempt;
    if (previous === undefined || next === undefined) return;
    if (this.unanswered === attempt) this.unanswered = next === this.watched ? undefined : next;
    previous.next = next;
    next.previous = previous;
    attempt.previous = undefined;
    attempt.next = undefined;
    this.inFlight -= 1;
    if (attempt.isStream) this.streams -= 1;
    if (!attempt.responded && (outcome === 'success' || outcome === 'answered')) this.receive();
    if (outcome === 'success') this.answered(attempt, nowMs);
    else if (outcome !== 'neutral') this.failed(attempt, nowMs);
    this.weigh(nowMs);
  }

  sweep(nowMs: number): boolean {
    const stalled = this.isStalled(nowMs);
    if (stalled) this.trustedSinceMs = nowMs;
    this.sweptAtMs = nowMs;
    if (this.slowness > 0) {
      this.blame = Math.round(1000 * this.slowness * Math.exp((this.sampledAtMs - nowMs) / EWMA_TAU_MS));
    }
    this.offeredStreams = 0;
    this.weigh(nowMs);
    const was = this.isSuspect;
    const toldBefore = this.wasSuspectAtSweep;
    // After a stall the answers may well lie unread in the sockets: whoever was not suspect before is not now.
    this.isSuspect = this.isOverdue(nowMs) && (was || !stalled);
    if (this.isSuspect && !was) this.suspicion.began(nowMs);
    this.wasSuspectAtSweep = this.isSuspect;
    return this.isSuspect !== toldBefore;
  }

  /** A long poll may be the oldest, and not overdue where a younger call is. */
  private isOverdue(nowMs: number): boolean {
    for (let link = this.unanswered; link !== undefined && link !== this.watched; link = link.next) {
      const ageMs = nowMs - link.startedAtMs;
      if (ageMs <= SUSPECT_FLOOR_MS) return false;
      if (ageMs > SUSPECT_FACTOR * this.usualOf(link.time)) return true;
    }
    return false;
  }

  forgive(nowMs: number): void {
    this.failedCalls.forget();
    this.failedStreams.forget();
    this.weigh(nowMs);
    if (this.usualSlowness > 0 && this.usualSlowness < this.slowness) this.learn(this.usualSlowness, nowMs);
  }

  vouched(): void {
    this.receive();
    this.suspicion.isVouchSpent = true;
  }

  /** What pickers read, from what has changed. */
  private weigh(nowMs: number): void {
    this.failedCalls.fade(nowMs);
    this.failedStreams.fade(nowMs);
    this.busy = this.inFlight - this.streams + this.failedCalls.count;
    this.busyStreams = this.streams + this.offeredStreams + this.failedStreams.count;
  }

  /** Whatever runs now began before this response, so none of it is evidence of silence any more. */
  private receive(): void {
    this.unanswered = undefined;
    this.isSuspect = false;
    this.suspicion.answered();
  }

  private answered(attempt: AttemptLink, nowMs: number): void {
    if (attempt.isStream || this.isDistorted(attempt, nowMs)) return;
    const tookMs = nowMs - attempt.startedAtMs;
    const { usualMs } = attempt.time;
    const sample = Math.min(multiple(tookMs, usualMs), MAX_SLOWNESS);
    const isCured = this.pace.sampled(sample, tookMs, attempt.startedAtMs, nowMs);
    const kept = isCured ? 0 : Math.exp((this.sampledAtMs - nowMs) / EWMA_TAU_MS);
    this.usualMs = isCured ? tookMs : Math.min(peak(this.usualMs, tookMs, kept), MAX_SAMPLE_MS);
    this.usualSlowness = peak(this.usualSlowness, sample, kept);
    this.learn(peak(this.slowness, sample, kept), nowMs);
  }

  /** A failure never makes an endpoint look fast, however quickly it came; one that took long makes it look slow. */
  private failed(attempt: AttemptLink, nowMs: number): void {
    const tookMs = nowMs - attempt.startedAtMs;
    const { usualMs } = attempt.time;
    if (attempt.isStream) {
      this.failedStreams.failed(tookMs, usualMs > 0 ? usualMs : FAILED_STREAM_MS, nowMs);
      return;
    }
    this.failedCalls.failed(tookMs, usualMs, nowMs);
    const sample = Math.min(multiple(tookMs, usualMs), MAX_FAILURE_FACTOR * this.slowness, MAX_SLOWNESS);
    if (usualMs > 0 && sample > this.slowness && !this.isDistorted(attempt, nowMs)) this.learn(sample, nowMs);
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
