import type { Clock, Timer } from '../../../base/clock';
import { connectivity } from '../../grpc/grpc-js';
import type { EmptySessions } from './connection-failure';
import type { SubchannelLease } from './subchannel-lease';

/** A dial that hangs is given up for another one after so long, twice as long the next time, up to a limit. */
const REDIAL_MS = 5_000;
const MOST_REDIAL_MS = 40_000;
/** A further connection without a call is let go after this. */
const UNUSED_MS = 60_000;
/**
 * How long one must have been connected before it takes the place of a silent one: a thawed process answers on both.
 */
const GRACE_MS = 20;

/**
 * The connections to an endpoint beyond its first. One is dialled at a time, and only when it is asked for. grpc-js'
 * READY waits for the peer's HTTP/2 settings: a frozen process, whose kernel accepts the connection, does not get
 * there.
 */
export class FurtherConnections {
  /** Those that calls may use, longest connected first. */
  ready: readonly SubchannelLease[] = [];
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #emptySessions: EmptySessions;
  readonly #open: () => SubchannelLease;
  readonly #changed: () => void;
  #dialled: SubchannelLease | undefined;
  #dialledAtMs = 0;
  #hasFailed = false;
  #redialMs = REDIAL_MS;
  /** Not dialled before: a peer ended several in a row without an answer. */
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #usedAtMs = 0;
  #connectedAtMs = 0;
  #deadline: Timer | undefined;

  /**
   * `deadlineMs`: how long calls may wait for a connection that is being dialled. `emptySessions`: of the further ones
   * alone. `open` makes a lease on another subchannel to the same address, whose states come by `stateChanged`.
   * `changed`: one has become READY, or was lost, or is no longer worth waiting for.
   */
  constructor(
    clock: Clock,
    deadlineMs: number,
    emptySessions: EmptySessions,
    open: () => SubchannelLease,
    changed: () => void,
  ) {
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
    this.#emptySessions = emptySessions;
    this.#open = open;
    this.#changed = changed;
  }

  has(lease: SubchannelLease): boolean {
    return lease === this.#dialled || this.ready.includes(lease);
  }

  /** One may be READY any moment. */
  get isPending(): boolean {
    if (this.#dialled === undefined || this.#hasFailed) return false;
    return this.#clock.now() - this.#dialledAtMs < this.#deadlineMs;
  }

  /** Streams that could be started over them now. */
  get room(): number {
    let room = 0;
    for (const lease of this.ready) room += Math.max(0, lease.room);
    return room;
  }

  /** Of `first` and the further ones the first with room; of full ones the one with the shortest queue. */
  roomiest(first: SubchannelLease): SubchannelLease {
    let best = first;
    for (const lease of this.ready) {
      if (best.room > 0) break;
      if (lease.room > best.room) best = lease;
    }
    return best;
  }

  /** Begins to connect, unless that is under way or not due yet. */
  dial(): void {
    const nowMs = this.#clock.now();
    if (this.#dialled !== undefined) {
      const isHanging = !this.#hasFailed && nowMs - this.#dialledAtMs >= this.#redialMs;
      if (!isHanging) return;
      this.#redialMs = Math.min(2 * this.#redialMs, MOST_REDIAL_MS);
      this.hangUp();
    }
    if (nowMs < this.#notBeforeMs) return;
    const lease = this.#open();
    this.#dialled = lease;
    this.#dialledAtMs = nowMs;
    this.#hasFailed = false;
    this.#deadline = this.#clock.setTimer(this.#deadlineMs, this.#changed);
    if (lease.subchannel.getConnectivityState() === connectivity.READY) this.stateChanged(lease, connectivity.READY);
    else lease.subchannel.startConnecting();
  }

  /** Nobody needs the one that is being dialled. */
  hangUp(): void {
    const lease = this.#dialled;
    this.#stopDialling();
    lease?.letGo();
  }

  /**
   * One that answers, to take the place of the first, and is none of the further ones from now on. With `isLost` at
   * once, the first one having ended.
   */
  take(isLost: boolean): SubchannelLease | undefined {
    if (!isLost && this.#clock.now() - this.#connectedAtMs < GRACE_MS) return undefined;
    const [taken, ...others] = this.ready;
    this.ready = others;
    return taken;
  }

  /** Called now and then. `isNeeded`: the first one would not do. */
  letGoUnused(isNeeded: boolean): void {
    const nowMs = this.#clock.now();
    if (isNeeded || this.ready.some(({ streams }) => streams > 0)) this.#usedAtMs = nowMs;
    if (this.ready.length > 0 && nowMs - this.#usedAtMs >= UNUSED_MS) this.#leave();
  }

  /** The first one answers again: whatever was dialled for its silence is not needed. */
  letGoIdle(): void {
    this.hangUp();
    const idle = this.ready.filter(({ streams }) => streams === 0);
    this.ready = this.ready.filter(({ streams }) => streams > 0);
    for (const lease of idle) lease.leave();
  }

  /** On each tick: calls are sent over a silent one no more. */
  look(nowMs: number, isOverdue: boolean): void {
    for (const lease of this.ready) {
      if (!lease.watch.look(nowMs, isOverdue)) continue;
      this.ready = this.ready.filter((each) => each !== lease);
      lease.leave();
    }
  }

  /** The subchannel of a further lease has changed its state. */
  stateChanged(lease: SubchannelLease, state: number): void {
    if (state === connectivity.READY) {
      lease.sessionBegan(this.#clock.now());
      // The peer's settings can be read after this turn's listeners.
      queueMicrotask(() => this.#connected(lease));
    } else if (lease !== this.#dialled) {
      this.#lost(lease);
    } else if (state !== connectivity.CONNECTING) {
      // grpc-js tries again after its backoff.
      this.#hasFailed = true;
      lease.subchannel.startConnecting();
      this.#changed();
    }
  }

  /** No new calls; those under way run to their end. */
  leave(): void {
    this.hangUp();
    this.#leave();
  }

  #leave(): void {
    const left = this.ready;
    this.ready = [];
    for (const lease of left) lease.leave();
  }

  #stopDialling(): void {
    this.#deadline?.cancel();
    this.#deadline = undefined;
    this.#dialled = undefined;
  }

  #connected(lease: SubchannelLease): void {
    if (lease !== this.#dialled || lease.subchannel.getConnectivityState() !== connectivity.READY) return;
    this.#stopDialling();
    this.#redialMs = REDIAL_MS;
    this.#connectedAtMs = this.#clock.now();
    this.#usedAtMs = this.#connectedAtMs;
    this.ready = [...this.ready, lease];
    this.#changed();
  }

  #lost(lease: SubchannelLease): void {
    if (!this.ready.includes(lease)) return;
    const emptySessions = this.#emptySessions;
    const nowMs = this.#clock.now();
    this.ready = this.ready.filter((each) => each !== lease);
    emptySessions.sessionEnded(lease.unansweredMs(nowMs));
    this.#notBeforeMs = nowMs + (emptySessions.isFailing ? emptySessions.nextDelayMs() : 0);
    lease.leave();
    this.#changed();
  }
}
