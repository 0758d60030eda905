import { ProbeTrickle } from '../probe-gate';
import type { PeerOutcome, ShareTally, UsualShares } from './failure-shares';

/** The first call of a trial comes so many times as rarely as calls came before the ejection. */
const GAPS = 16;
/** Each good answer brings the next call sooner: after so many, twice as soon; after twice as many, three times. */
const GOOD = 4;

/** Why an endpoint was ejected: how its attempts and those of its peers ended in one window. */
export interface OutlierFigures {
  /** `failures`: those that breakers count; `errors`: answers with any error, failures included. */
  readonly kind: 'failures' | 'errors';
  /** Of the endpoint: attempts in the window, and those of this kind. */
  readonly bad: number;
  /** Attempts in the window. */
  readonly calls: number;
  /** Of all other members of its pool. */
  readonly peersBad: number;
  /** Attempts at the other members. */
  readonly peersCalls: number;
}

/** An ejected endpoint when it was asked for; plain data. */
export interface OutlierView extends OutlierFigures {
  /** Of the running trial: its bad calls, and all of its calls. */
  readonly trialBad: number;
  /** All calls of the running trial. */
  readonly trialCalls: number;
}

/**
 * The trial of an ejected endpoint: while its breaker is half-open it gets a call now and then, and how these end is
 * compared with how calls end at its peers. No single answer closes or opens the breaker: the outlier detector of its
 * pool does.
 */
export class OutlierTrial extends ProbeTrickle {
  readonly figures: OutlierFigures;
  readonly ejectedAtMs: number;
  /** It was ejected soon after the last time: it stays open for longer. */
  readonly isRelapse: boolean;
  readonly tally: ShareTally = { calls: 0, bad: 0, expected: 0, burst: 0 };
  /** A call has ended since the detector looked. */
  isNews = false;
  readonly #firstEveryMs: number;

  /** `gapMs`: the average time between two of its calls before. */
  constructor(figures: OutlierFigures, gapMs: number, ejectedAtMs: number, isRelapse: boolean) {
    super(GAPS * gapMs, Number.POSITIVE_INFINITY);
    this.#firstEveryMs = this.everyMs;
    this.figures = figures;
    this.ejectedAtMs = ejectedAtMs;
    this.isRelapse = isRelapse;
  }

  /** A call of the trial has ended; `usual`: how such calls end elsewhere. */
  ended(outcome: PeerOutcome, usual: UsualShares): void {
    if (outcome === 'none') return;
    const { kind } = this.figures;
    this.tally.calls += 1;
    this.tally.expected += usual[kind];
    if (outcome === 'failure' || (outcome === 'error' && kind === 'errors')) this.tally.bad += 1;
    this.everyMs = this.#firstEveryMs / (1 + (this.tally.calls - this.tally.bad) / GOOD);
    this.isNews = true;
  }

  /** By how much its share exceeded that of its peers. */
  get excess(): number {
    const { bad, calls, peersBad, peersCalls } = this.figures;
    return bad / calls - peersBad / peersCalls;
  }

  get because(): string {
    const { kind, bad, calls, peersBad, peersCalls } = this.figures;
    const what = kind === 'failures' ? 'failed' : 'ended in errors';
    return `outlier: ${bad} of ${calls} attempts ${what}, ${peersBad} of ${peersCalls} at its peers`;
  }

  view(): OutlierView {
    return { ...this.figures, trialBad: this.tally.bad, trialCalls: this.tally.calls };
  }

  override reset(): void {
    super.reset();
    this.everyMs = this.#firstEveryMs;
    this.tally.calls = 0;
    this.tally.bad = 0;
    this.tally.expected = 0;
    this.isNews = false;
  }
}
