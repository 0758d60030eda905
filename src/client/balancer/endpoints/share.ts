/** Endpoints are compared with one another once in such a period. */
export const SHARE_PERIOD_MS = 1_000;
/** An endpoint keeps this part of its share at least, so that its recovery is seen. */
const LEAST = 0.02;
/** Added to the attempts of a period, so that one answer among few takes a third of the share and not all of it. */
const PRIOR = 2;
/** Standard deviations by which an endpoint must turn away more than its peers do. */
const DEVIATIONS = 2;
/** Growth in a period: near where it turned calls away lately, and later. */
const CAREFUL_GROWTH = 1.05;
const GROWTH = 1.5;
/** How long growth stays careful; doubled while every attempt is turned away. */
const CAREFUL_MS = 10_000;
const MAX_CAREFUL_MS = 80_000;
/** A server that asks for more is asked again after this. */
const MAX_PUSHBACK_MS = 60_000;

/**
 * How much of its weight an endpoint gets, as it turns calls away: it answers "less" (RESOURCE_EXHAUSTED, or any
 * failure with `grpc-retry-pushback-ms`). The share falls by what the endpoint turns away beyond what its peers do, so
 * that a service which turns calls away everywhere keeps its shares. It grows again by itself: there is nothing to
 * probe.
 *
 * Fed by attempts, moved by `balanceShares()`. Times are monotonic milliseconds.
 */
export class Share {
  /** Of the endpoint's weight; in [0.02, 1]. */
  factor = 1;
  /** Attempts of this period that went well, and that were turned away. */
  accepted = 0;
  shed = 0;
  /** The same of the last whole period. */
  lastAccepted = 0;
  lastShed = 0;
  #turnedAtMs = Number.NEGATIVE_INFINITY;
  #reducedAtMs = Number.NEGATIVE_INFINITY;
  #heldUntilMs = Number.NEGATIVE_INFINITY;
  #carefulMs = CAREFUL_MS;
  #isFresh = false;

  /** The server turned an attempt away. `pushbackMs`: for how long it wants less; 0 where it does not say. */
  turnedAway(pushbackMs: number, nowMs: number): void {
    this.shed += 1;
    this.#heldUntilMs = Math.max(this.#heldUntilMs, nowMs + Math.min(pushbackMs, MAX_PUSHBACK_MS));
  }

  /** Begins a new period where the last one is over. */
  turn(nowMs: number): boolean {
    this.#isFresh = nowMs - this.#turnedAtMs >= SHARE_PERIOD_MS;
    if (!this.#isFresh) return false;
    this.#turnedAtMs = nowMs;
    this.lastAccepted = this.accepted;
    this.lastShed = this.shed;
    this.accepted = 0;
    this.shed = 0;
    return true;
  }

  /** `accepted`, `shed`: of its peers and itself in the last period. True: the factor is another than before. */
  move(accepted: number, shed: number, nowMs: number): boolean {
    if (!this.#isFresh) return false;
    const excess = this.#excess(accepted, shed);
    if (excess > 0) {
      this.#reducedAtMs = nowMs;
      this.#carefulMs = this.lastAccepted > 0 ? CAREFUL_MS : Math.min(2 * this.#carefulMs, MAX_CAREFUL_MS);
      return this.#set(this.factor * (1 - excess));
    }
    if (this.lastAccepted > 0) this.#carefulMs = CAREFUL_MS;
    if (this.factor === 1 || nowMs < this.#heldUntilMs) return false;
    const isCareful = nowMs - this.#reducedAtMs < this.#carefulMs;
    return this.#set(this.factor * (isCareful ? CAREFUL_GROWTH : GROWTH));
  }

  /** Back to the whole share. */
  reset(): boolean {
    return this.#set(1);
  }

  /** What it turned away beyond its peers' part, where that is no chance; 0 otherwise. */
  #excess(accepted: number, shed: number): number {
    const { lastShed } = this;
    if (lastShed === 0) return 0;
    const own = this.lastAccepted + lastShed;
    const othersShed = shed - lastShed;
    const others = accepted + shed - own;
    const usual = others > 0 ? othersShed / others : 0;
    const excess = lastShed / (own + PRIOR) - usual;
    return excess > DEVIATIONS * Math.sqrt((usual * (1 - usual)) / own) ? excess : 0;
  }

  #set(factor: number): boolean {
    const was = this.factor;
    this.factor = Math.min(1, Math.max(LEAST, factor));
    return this.factor !== was;
  }
}

/** Part of the attempts of this period and the last that was turned away at all endpoints but one. In [0, 1]. */
export function shedBeside(own: Share, total: Share): number {
  const shed = Math.max(0, total.shed + total.lastShed - own.shed - own.lastShed);
  const accepted = Math.max(0, total.accepted + total.lastAccepted - own.accepted - own.lastAccepted);
  return shed === 0 ? 0 : shed / (shed + accepted);
}

/**
 * Moves the shares of one pool's endpoints beside one another. Called on each tick; true when one of them has changed.
 */
export function balanceShares(shares: readonly Share[], nowMs: number): boolean {
  let accepted = 0;
  let shed = 0;
  let isDue = false;
  for (const share of shares) {
    if (share.turn(nowMs)) isDue = true;
    accepted += share.lastAccepted;
    shed += share.lastShed;
  }
  if (!isDue) return false;
  let isChanged = false;
  for (const share of shares) if (share.move(accepted, shed, nowMs)) isChanged = true;
  return isChanged;
}
