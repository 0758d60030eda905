import type { BreakerCheck } from '../../document';
import type { CheckContext, Judged } from '../judge';
import { countFailure } from './failure-limit';
import { formatCount } from './wording';

/**
 * Needs no minimum of the canary's calls: what opens a breaker keeps the calls away, so that a canary which fails all of them would
 * never have enough. Few instances may be shut out one by one before the breaker of the subset has seen anything; then it is the
 * fallback that shows it, which serves more of the canary's calls than the canary.
 */
export function judgeBreaker({ failureLimit = 0 }: BreakerCheck, context: CheckContext): Judged {
  const { openBreakers: open, fallbacks = 0, calls } = context.canary ?? { calls: 0 };
  if (open === undefined) return { verdict: 'error', message: 'no figures of breakers' };
  if (open > 0) {
    const message = `the canary is shed by its breaker in ${open} ${open === 1 ? 'place' : 'places'}`;
    return countFailure(context, failureLimit, message, { result: open });
  }
  if (fallbacks >= context.settings.minimumCalls && fallbacks > calls) {
    const message = `the fallback served ${formatCount(fallbacks)} of the canary's calls, the canary ${formatCount(calls)}`;
    return countFailure(context, failureLimit, message, { result: fallbacks, canaryCalls: calls });
  }
  return { verdict: 'pass', message: 'closed in every client', figures: { result: 0 } };
}
