import type { Random } from '../base/random';

/**
 * How much a call matters, most important first (the four of Google's SRE book, chapter "Handling Overload"). A call
 * that does not say is `critical`.
 */
export const CRITICALITIES = ['critical-plus', 'critical', 'sheddable-plus', 'sheddable'] as const;
export type Criticality = (typeof CRITICALITIES)[number];

/** Of what was let in during the last window, where the event loop was late. */
const CUT = 0.9;
/** Of the limit, more in each window in which it was not. */
const RISE = 0.03;
/** The limit goes once it is so much above what arrives. */
const ROOM = 1.5;

/**
 * Decides which calls a server takes. Where the event loop is late for a whole window, the next window lets in a tenth
 * fewer calls than this one did; where it is not, 3 % more. The least important go first, within one criticality by
 * chance. The method is that of WeChat's DAGOR (Zhou et al., 2018), with the delay of the event loop for the time that
 * a request waits in a queue.
 */
export class LoadShedder {
  readonly #maxDelayMs: number;
  readonly #random: Random;
  /** Calls that arrived in this window, by criticality. */
  readonly #arrived = CRITICALITIES.map(() => 0);
  #admitted = 0;
  /** Calls a window; Infinity while nothing is refused. */
  #limit = Number.POSITIVE_INFINITY;
  /** The first criticality of which not all are let in, and the share of it that is. */
  #level: number = CRITICALITIES.length;
  #share = 1;

  constructor(maxDelayMs: number, random: Random) {
    this.#maxDelayMs = maxDelayMs;
    this.#random = random;
  }

  get isShedding(): boolean {
    return this.#level < CRITICALITIES.length;
  }

  /** Whether a call that has just arrived is let in. `level`: its place in `CRITICALITIES`. */
  admits(level: number): boolean {
    this.#arrived[level] = (this.#arrived[level] ?? 0) + 1;
    const isAdmitted = level < this.#level || (level === this.#level && this.#random() < this.#share);
    if (isAdmitted) this.#admitted += 1;
    return isAdmitted;
  }

  /** Ends a window. `delayMs`: the median lateness of the event loop in it: one long pause is no overload. */
  endWindow(delayMs: number): void {
    const arrived = this.#arrived.reduce((sum, count) => sum + count, 0);
    if (delayMs > this.#maxDelayMs) this.#limit = CUT * Math.min(this.#limit, this.#admitted);
    else this.#limit += Math.max(1, RISE * this.#limit);
    if (this.#limit > ROOM * arrived) this.#limit = Number.POSITIVE_INFINITY;
    this.#place();
    this.#arrived.fill(0);
    this.#admitted = 0;
  }

  /** Divides the limit among the criticalities by what arrived, most important first. */
  #place(): void {
    let left = this.#limit;
    this.#level = CRITICALITIES.length;
    this.#share = 1;
    for (const [level, count] of this.#arrived.entries()) {
      if (count > left) {
        this.#level = level;
        this.#share = left / count;
        return;
      }
      left -= count;
    }
  }
}
