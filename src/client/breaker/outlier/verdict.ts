import { type Counts, evidenceBelow, evidenceNeeded, evidenceOfExcess } from '../../../base/sequential-test';
import type { ShareTally } from './failure-shares';

/** By so many points a share of failures may exceed that of the peers. */
const MARGIN = 0.03;
/**
 * With what chance an endpoint that is just as bad as it may be is ever found worse, counted from the beginning of one window.
 * One that is no worse at all is hardly ever: docs/decisions/0028 has the figures.
 */
const ALARM_RATE = 1e-3;
const ALARM_AT: number = evidenceNeeded(ALARM_RATE);
const CURED_AT: number = evidenceNeeded(0.1);
const ILL_AT: number = evidenceNeeded(0.2);

/** Is it shown to fail more often than its peers may? */
export function isWorse(own: ShareTally, peers: ShareTally): boolean {
  const judged = withoutBurst(own);
  if (judged.bad < 1 || peers.calls === 0) return false;
  const reference = peersWithMixOf(own, peers);
  // Most questions end here: evidence costs some microseconds.
  if (judged.bad / judged.calls <= reference.bad / reference.calls + MARGIN) return false;
  return evidenceOfExcess(judged, reference, MARGIN) >= ALARM_AT;
}

/** What happened within one second may have one cause, which is over. */
function withoutBurst({ calls, bad, burst }: ShareTally): Counts {
  const spared = Math.max(0, Math.min(bad, burst) - 1);
  return { calls: calls - spared, bad: bad - spared };
}

/**
 * The peers as they would have fared with this endpoint's methods, where those fail more often everywhere. One failure in
 * favour of the endpoint for what is not known yet.
 */
function peersWithMixOf(own: ShareTally, peers: ShareTally): Counts {
  const share = (own.expected / own.calls) * ((peers.bad + 1) / (peers.expected + 1));
  return { calls: peers.calls, bad: Math.max(peers.bad, Math.min(1, share) * peers.calls) };
}

/** `open`: not known yet. */
export type TrialVerdict = 'cured' | 'ill' | 'open';

/**
 * What the calls of its trial say of an ejected endpoint, beside what such calls bring elsewhere meanwhile. Cured is what is
 * shown to exceed that by less than half as much as when it was ejected.
 */
export function judgeTrial({ calls, bad, expected }: ShareTally, peersCalls: number, excess: number): TrialVerdict {
  const usual = Math.min(1, expected / calls);
  const limit = Math.min(1, usual + Math.max(MARGIN, excess / 2));
  if (evidenceBelow({ calls, bad }, limit) >= CURED_AT) return 'cured';
  const isIll = evidenceOfExcess({ calls, bad }, { calls: peersCalls, bad: usual * peersCalls }, 0) >= ILL_AT;
  return isIll ? 'ill' : 'open';
}
