import { type Counts, evidenceBelow, evidenceNeeded, evidenceOfExcess } from '../../../base/sequential-test';
import type { Breaker } from '../breaker';
import { ejectionLimit } from '../ejection';
import { emptyTally, type FailureShares, SCALES, type ShareKind, type ShareTally } from './failure-shares';
import { OutlierTrial } from './trial';

/** A member of a pool, as outlier detection needs it. */
export interface Peer {
  readonly shares: FailureShares;
  readonly breaker: Breaker | undefined;
}

export interface OutlierRules {
  readonly enabled: boolean;
  readonly maxEjectionPercentage: number;
}

/** By so many points a share of failures may exceed that of the peers. */
const MARGIN = 0.03;
/**
 * The chance that an endpoint that is just as bad as it may be is ever found worse within one window. For an endpoint
 * that is no worse than its peers the chance is far smaller: docs/decisions/0028 has the figures.
 */
const ALARM_RATE = 1e-3;
const ALARM_AT: number = evidenceNeeded(ALARM_RATE);
const CURED_AT: number = evidenceNeeded(0.1);
const ILL_AT: number = evidenceNeeded(0.2);

const LEAST_GAP_MS = 20;
const MOST_GAP_MS = 60_000;
/** An endpoint that is ejected again within this stays out for longer than the last time. */
const RELAPSE_MS = 60_000;
/** The window of the peers that a trial is compared with. */
const TRIAL_SCALE: number = SCALES - 1;
const KINDS: readonly ShareKind[] = ['failures', 'errors'];

/**
 * Compares the members of one pool by their shares of failures, on each tick, as outlier detection of gRFC A50 does,
 * but with a sequential test. Ejects members that are shown to be worse than the others, up to the cap on ejections,
 * and ends the trials of those that were ejected. Opens and closes breakers and does nothing else.
 */
export class OutlierDetector {
  #detectedAtMs = Number.NEGATIVE_INFINITY;

  /** `breakerOf`: the breaker of a member, made now if it has none. Synchronous. */
  detect<P extends Peer>(
    peers: readonly P[],
    rules: OutlierRules,
    breakerOf: (peer: P) => Breaker,
    nowMs: number,
  ): void {
    const sinceMs = this.#detectedAtMs;
    this.#detectedAtMs = nowMs;
    if (!rules.enabled) return;
    let isNews = false;
    for (const { shares, breaker } of peers) {
      if (breaker?.trial?.isNews === true) this.#endTrial(peers, shares, breaker, breaker.trial, nowMs);
      else if (shares.badAtMs > sinceMs) isNews = true;
    }
    if (!isNews || peers.length < 2) return;
    for (const { shares } of peers) shares.turn(nowMs);
    for (const kind of KINDS) {
      for (let scale = 0; scale < SCALES; scale += 1)
        this.#compare(peers, rules, breakerOf, sinceMs, kind, scale, nowMs);
    }
  }

  #compare<P extends Peer>(
    peers: readonly P[],
    rules: OutlierRules,
    breakerOf: (peer: P) => Breaker,
    sinceMs: number,
    kind: ShareKind,
    scale: number,
    nowMs: number,
  ): void {
    const all = totalOf(peers, scale, kind);
    let worst: { readonly peer: P; readonly own: ShareTally; readonly others: ShareTally } | undefined;
    for (const peer of peers) {
      if (peer.shares.badAtMs <= sinceMs || !isClosed(peer)) continue;
      const own = emptyTally();
      peer.shares.addTo(own, scale, kind);
      const others = without(all, own);
      if (!isWorse(own, others)) continue;
      if (worst === undefined || own.bad / own.calls > worst.own.bad / worst.own.calls) worst = { peer, own, others };
    }
    if (worst === undefined || !hasRoom(peers, rules)) return;
    const { peer, own, others } = worst;
    const figures = { kind, bad: own.bad, calls: own.calls, peersBad: others.bad, peersCalls: others.calls };
    const gapMs = Math.min(Math.max(peer.shares.gapMs(nowMs), LEAST_GAP_MS), MOST_GAP_MS);
    const trial = new OutlierTrial(figures, gapMs, nowMs, nowMs < peer.shares.relapseUntilMs);
    breakerOf(peer).eject(trial);
  }

  #endTrial(peers: readonly Peer[], shares: FailureShares, breaker: Breaker, trial: OutlierTrial, nowMs: number): void {
    trial.isNews = false;
    const { bad, calls } = trial.tally;
    const verdict = judgeTrial(trial.tally, totalOf(peers, TRIAL_SCALE, trial.figures.kind).calls, trial.excess);
    if (verdict === 'cured') {
      shares.clear();
      shares.relapseUntilMs = nowMs + Math.max(RELAPSE_MS, nowMs - trial.ejectedAtMs);
      breaker.circuit.close();
    } else if (verdict === 'ill') breaker.open(`${trial.because}; then ${bad} of ${calls} trial calls`);
  }
}

/** One at a time: without the worst of them the others may be no worse than their peers. */
function hasRoom(peers: readonly Peer[], { maxEjectionPercentage }: OutlierRules): boolean {
  let out = 0;
  for (const peer of peers) if (!isClosed(peer)) out += 1;
  return out < ejectionLimit(peers.length, maxEjectionPercentage);
}

function isClosed({ breaker }: Peer): boolean {
  return breaker === undefined || breaker.state === 'closed';
}

/** Without the members that are ejected. */
function totalOf(peers: readonly Peer[], scale: number, kind: ShareKind): ShareTally {
  const total = emptyTally();
  for (const { shares, breaker } of peers) if (breaker?.trial === undefined) shares.addTo(total, scale, kind);
  return total;
}

function without(all: ShareTally, own: ShareTally): ShareTally {
  return {
    calls: all.calls - own.calls,
    bad: all.bad - own.bad,
    expected: Math.max(0, all.expected - own.expected),
    burst: all.burst,
  };
}

/** Is the endpoint shown to fail more often than its peers? */
function isWorse(own: ShareTally, peers: ShareTally): boolean {
  const judged = withoutBurst(own);
  if (judged.bad < 1 || peers.calls === 0) return false;
  const reference = peersWithMixOf(own, peers);
  // Most tests end here: evidence costs some microseconds.
  if (judged.bad / judged.calls <= reference.bad / reference.calls + MARGIN) return false;
  return evidenceOfExcess(judged, reference, MARGIN) >= ALARM_AT;
}

/** Failures within one second may have one cause, which is over. */
function withoutBurst({ calls, bad, burst }: ShareTally): Counts {
  const spared = Math.max(0, Math.min(bad, burst) - 1);
  return { calls: calls - spared, bad: bad - spared };
}

/**
 * How the peers would have fared with this endpoint's methods, which may fail more often everywhere. One failure is
 * added in favour of the endpoint, for methods that are not known well yet.
 */
function peersWithMixOf(own: ShareTally, peers: ShareTally): Counts {
  const share = (own.expected / own.calls) * ((peers.bad + 1) / (peers.expected + 1));
  return { calls: peers.calls, bad: Math.max(peers.bad, Math.min(1, share) * peers.calls) };
}

/** `open`: not known yet. */
type TrialVerdict = 'cured' | 'ill' | 'open';

/**
 * Judges an ejected endpoint by the calls of its trial, beside how such calls end elsewhere meanwhile. It is cured when
 * its share is shown to exceed that by less than half as much as when it was ejected.
 */
function judgeTrial({ calls, bad, expected }: ShareTally, peersCalls: number, excess: number): TrialVerdict {
  const usual = Math.min(1, expected / calls);
  const limit = Math.min(1, usual + Math.max(MARGIN, excess / 2));
  if (evidenceBelow({ calls, bad }, limit) >= CURED_AT) return 'cured';
  const isIll = evidenceOfExcess({ calls, bad }, { calls: peersCalls, bad: usual * peersCalls }, 0) >= ILL_AT;
  return isIll ? 'ill' : 'open';
}
