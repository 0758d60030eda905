import type { BreakerCheck } from '../../document';
import type { CheckContext, Judged } from '../judge';
import { countFailure } from './failure-limit';

/** Needs no minimum of calls: a breaker opens on figures of its own, and then the calls stay away. */
export function judgeBreaker({ failureLimit = 0 }: BreakerCheck, context: CheckContext): Judged {
  const open = context.canary?.openBreakers;
  if (open === undefined) return { verdict: 'error', message: 'no figures of breakers' };
  if (open === 0) return { verdict: 'pass', message: 'closed in every client', figures: { result: 0 } };
  const message = `the canary is shed by its breaker in ${open} ${open === 1 ? 'place' : 'places'}`;
  return countFailure(context, failureLimit, message, { result: open });
}
