import type { Outcome } from '../outcome';
import type { PeerOutcome } from './failure-shares';

const OK = 0;

/**
 * What an attempt says of its endpoint beside its peers, once it is known whose doing its end was. An endpoint that wants less
 * is no outlier for it.
 */
export function peerOutcomeOf(outcome: Outcome, code: number): PeerOutcome {
  if (outcome === 'neutral' || outcome === 'less') return 'none';
  if (outcome !== 'success') return 'failure';
  return code === OK ? 'good' : 'error';
}
