import type { Breaker } from '../breaker';
import { ejectionLimit } from '../ejection';
import { emptyTally, type FailureShares, SCALES, type ShareKind, type ShareTally } from './failure-shares';
import { OutlierTrial } from './trial';
import { isWorse, judgeTrial } from './verdict';

/** A member of a pool, as the judge sees it. */
export interface Peer {
  readonly shares: FailureShares;
  readonly breaker: Breaker | undefined;
}

export interface JudgeRules {
  readonly enabled: boolean;
  readonly maxEjectionPercentage: number;
}

const LEAST_GAP_MS = 20;
const MOST_GAP_MS = 60_000;
/** Ejected again within this, it stays open for longer than it did at last. */
const RELAPSE_MS = 60_000;
/** Its calls say how well it is known what calls of a trial bring elsewhere. */
const TRIAL_SCALE: number = SCALES - 1;
const KINDS: readonly ShareKind[] = ['failures', 'errors'];

/**
 * Compares the members of one pool by their shares of failures, on each tick: ejects those that are shown to be worse than the
 * others, as far as the cap on ejections allows, and ends the trials of those that were. Opens and closes breakers and does
 * nothing else.
 */
export class OutlierJudge {
  #judgedAtMs = Number.NEGATIVE_INFINITY;

  /** `breakerOf`: the breaker of a member, made now if it has none. Synchronous. */
  judge<P extends Peer>(peers: readonly P[], rules: JudgeRules, breakerOf: (peer: P) => Breaker, nowMs: number): void {
    const sinceMs = this.#judgedAtMs;
    this.#judgedAtMs = nowMs;
    if (!rules.enabled) return;
    let isNews = false;
    for (const { shares, breaker } of peers) {
      if (breaker?.trial?.isNews === true) this.#try(peers, shares, breaker, breaker.trial, nowMs);
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
    rules: JudgeRules,
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

  #try(peers: readonly Peer[], shares: FailureShares, breaker: Breaker, trial: OutlierTrial, nowMs: number): void {
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

/** One at a time: with the worst of them gone the others may be no worse than their peers. */
function hasRoom(peers: readonly Peer[], { maxEjectionPercentage }: JudgeRules): boolean {
  let out = 0;
  for (const peer of peers) if (!isClosed(peer)) out += 1;
  return out < ejectionLimit(peers.length, maxEjectionPercentage);
}

function isClosed({ breaker }: Peer): boolean {
  return breaker === undefined || breaker.state === 'closed';
}

/** Those that were ejected are no measure. */
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
