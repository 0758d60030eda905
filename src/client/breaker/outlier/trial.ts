import { ProbeTrickle } from '../probe-gate';
import type { PeerOutcome, ShareTally, UsualShares } from './failure-shares';

/** The first call of a trial comes so many times as rarely as calls came before: some hundredths of its fair share, with those between trials. */
const GAPS = 16;
/** Each good answer brings the next one sooner: so many of them twice as soon, twice as many three times. */
const GOOD = 4;

/** Why an endpoint was ejected, in figures: what it did beside its peers in one window. */
export interface OutlierFigures {
  /** `failures`: those that breakers count; `errors`: answers with any error, failures included. */
  readonly kind: 'failures' | 'errors';
  /** Of the endpoint: attempts in the window, and those of this kind. */
  readonly bad: number;
  readonly calls: number;
  /** Of all others in its pool. */
  readonly peersBad: number;
  readonly peersCalls: number;
}

/** An ejected endpoint as it stood when it was asked for; plain data. */
export interface OutlierView extends OutlierFigures {
  /** Of the trial that runs: its calls, and those that were bad. */
  readonly trialBad: number;
  readonly trialCalls: number;
}

/**
 * What becomes of an ejected endpoint: while its breaker is half-open it gets a call now and then, and what these bring is
 * compared with what its peers bring. No single answer closes the breaker, or opens it: the judge of its pool does.
 */
export class OutlierTrial extends ProbeTrickle {
  readonly figures: OutlierFigures;
  readonly ejectedAtMs: number;
  /** It was ejected soon after the last time: it stays open for longer. */
  readonly isRelapse: boolean;
  readonly tally: ShareTally = { calls: 0, bad: 0, expected: 0, burst: 0 };
  /** Something has ended since the judge looked. */
  isNews = false;
  readonly #firstEveryMs: number;

  /** `gapMs`: between two of its calls before, on average. */
  constructor(figures: OutlierFigures, gapMs: number, ejectedAtMs: number, isRelapse: boolean) {
    super(GAPS * gapMs, Number.POSITIVE_INFINITY);
    this.#firstEveryMs = this.everyMs;
    this.figures = figures;
    this.ejectedAtMs = ejectedAtMs;
    this.isRelapse = isRelapse;
  }

  /** A call of the trial has ended; `usual`: what such calls bring elsewhere. */
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
