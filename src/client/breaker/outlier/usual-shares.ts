import type { PeerOutcome, UsualShares } from './failure-shares';

/** Weight of one outcome: the first ones count as if twenty good ones had come before. */
const HEAD_START = 20;
const LEAST_WEIGHT = 1 / 128;

/** What calls of one method bring lately, over all endpoints of its service. */
export class MethodShares implements UsualShares {
  failures = 0;
  errors = 0;
  #ends = HEAD_START;

  ended(outcome: PeerOutcome): void {
    if (outcome === 'none') return;
    this.#ends += 1;
    const weight = Math.max(1 / this.#ends, LEAST_WEIGHT);
    this.failures += ((outcome === 'failure' ? 1 : 0) - this.failures) * weight;
    this.errors += ((outcome === 'good' ? 0 : 1) - this.errors) * weight;
  }
}
