/** Endpoints are compared with one another once in such a period. */
export const SHARE_PERIOD_MS = 1_000;
/** An endpoint keeps this part of its share at least, so that its recovery is seen. */
const LEAST = 0.02;
/** Added to the attempts, so that two answers of two take half of the share and not all of it. */
const PRIOR = 2;
/** Standard deviations by which an endpoint must turn away more than its peers do. */
const DEVIATIONS = 2;
/** What a period's attempts count for in the next: where there are few of them, one period shows nothing. */
const MEMORY = 0.5;
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
  /** The same of all whole periods since its last fall, the older ones faded. */
  recentAccepted = 0;
  recentShed = 0;
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
    this.recentAccepted = MEMORY * this.recentAccepted + this.accepted;
    this.recentShed = MEMORY * this.recentShed + this.shed;
    this.accepted = 0;
    this.shed = 0;
    return true;
  }

  /** `accepted`, `shed`: of its peers and itself lately. True: the factor is another than before. */
  move(accepted: number, shed: number, nowMs: number): boolean {
    if (!this.#isFresh) return false;
    const excess = this.#excess(accepted, shed);
    if (excess > 0) {
      this.#reducedAtMs = nowMs;
      this.recentAccepted = 0;
      this.recentShed = 0;
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
    if (this.lastShed === 0) return 0;
    const own = this.recentAccepted + this.recentShed;
    const others = accepted + shed - own;
    const part = this.recentShed / (own + PRIOR);
    // Nothing is known of peers that were not asked.
    if (others < 1) return part;
    const usual = (shed - this.recentShed) / others;
    // How far two parts lie from one another by chance, where both come from the same: the two-proportion z-test.
    const pooled = shed / (accepted + shed);
    const deviation = Math.sqrt(pooled * (1 - pooled) * (1 / own + 1 / others));
    return this.recentShed / own - usual > DEVIATIONS * deviation ? Math.max(0, part - usual) : 0;
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
    accepted += share.recentAccepted;
    shed += share.recentShed;
  }
  if (!isDue) return false;
  let isChanged = false;
  for (const share of shares) if (share.move(accepted, shed, nowMs)) isChanged = true;
  return isChanged;
}
