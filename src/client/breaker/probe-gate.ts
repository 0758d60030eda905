/**
 * What an attempt carries from its start to its end, so that an outcome of the past counts for nothing. Even: the
 * attempt began while the breaker was closed, in this closed period. Odd: it is this probe. A number, since numbers
 * allocate nothing.
 */
export type Permit = number;

/** For attempts begun before their endpoint had a breaker: the first closed period. */
export const NO_PERMIT: Permit = 0;

/** For attempts begun while no call was admitted (forced by the caller, or in panic): their outcome changes nothing. */
export const BYPASS: Permit = -2;

export function closedPermit(period: number): Permit {
  return period * 2;
}

export function probePermit(ticket: number): Permit {
  return ticket * 2 + 1;
}

export function isProbePermit(permit: Permit): boolean {
  return (permit & 1) === 1;
}

export function ticketOf(permit: Permit): number {
  return (permit - 1) / 2;
}

/**
 * Decides which attempts probe while a breaker is half-open. One object for each breaker. Times are monotonic
 * milliseconds; tickets are positive and never repeat.
 */
export interface ProbeGate {
  /** This many probes must succeed before the breaker closes. */
  readonly successesToClose: number;
  /** Asked by pickers. */
  admits(nowMs: number): boolean;
  /**
   * An attempt starts: its ticket, or 0 when it may not be a probe. `patienceMs`: how long its answer may take; 0 when
   * that is not known, as of a stream.
   */
  begin(nowMs: number, patienceMs?: number): number;
  /** The probe that is out should have been answered by now. */
  isLate(nowMs: number): boolean;
  /** A probe ends with a verdict. False: the ticket is an old one, and the verdict counts for nothing. */
  settle(ticket: number): boolean;
  /** A probe ends without one. */
  release(ticket: number): void;
  /** The breaker changed its state: probes that still run count for nothing. */
  reset(): void;
}

/**
 * One probe at a time. A probe may never end: a listener of the caller that throws keeps its end from us. So it loses
 * its place after `leaseMs`, or when an answer should have come. Its verdict still counts until another probe takes the
 * place.
 */
export class SingleProbe implements ProbeGate {
  readonly successesToClose = 1;
  readonly #leaseMs: number;
  #leasedUntilMs = Number.NEGATIVE_INFINITY;
  #current = 0;
  #issued = 0;
  #isAwaited = false;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  admits(nowMs: number): boolean {
    return nowMs >= this.#leasedUntilMs;
  }

  begin(nowMs: number, patienceMs = 0): number {
    if (nowMs < this.#leasedUntilMs) return 0;
    this.#leasedUntilMs = nowMs + Math.max(this.#leaseMs, patienceMs);
    this.#isAwaited = patienceMs > 0;
    this.#issued += 1;
    this.#current = this.#issued;
    return this.#current;
  }

  isLate(nowMs: number): boolean {
    return this.#isAwaited && this.#current !== 0 && nowMs >= this.#leasedUntilMs;
  }

  settle(ticket: number): boolean {
    if (ticket !== this.#current) return false;
    this.reset();
    return true;
  }

  release(ticket: number): void {
    if (ticket === this.#current) this.reset();
  }

  reset(): void {
    this.#current = 0;
    this.#leasedUntilMs = Number.NEGATIVE_INFINITY;
  }
}

/** One probe in `everyMs`, however many still run. No lease is needed, since no probe keeps the next one waiting. */
export class ProbeTrickle implements ProbeGate {
  readonly successesToClose: number;
  /** From the start of one probe to the next. */
  protected everyMs: number;
  #nextAtMs = Number.NEGATIVE_INFINITY;
  #issued = 0;
  /** Tickets up to this one are of an earlier half-open period. */
  #stale = 0;

  constructor(everyMs: number, successesToClose: number) {
    this.everyMs = everyMs;
    this.successesToClose = successesToClose;
  }

  admits(nowMs: number): boolean {
    return nowMs >= this.#nextAtMs;
  }

  begin(nowMs: number): number {
    if (nowMs < this.#nextAtMs) return 0;
    this.#nextAtMs = nowMs + this.everyMs;
    this.#issued += 1;
    return this.#issued;
  }

  isLate(_nowMs: number): boolean {
    return false;
  }

  settle(ticket: number): boolean {
    return ticket > this.#stale;
  }

  release(_ticket: number): void {}

  reset(): void {
    this.#stale = this.#issued;
    this.#nextAtMs = Number.NEGATIVE_INFINITY;
  }
}
