import type { Outcome } from '../../breaker/outcome';
import type { LoadOutcome } from '../endpoints/load';
import type { AttemptEnding } from './routed-call';

const OK = 0;
/** How grpc-js words what ends on the client's side: the caller's cancel, its deadline, and a hedge that lost. */
const OWN_ENDINGS = ['Cancelled on client', 'Deadline exceeded', 'Discarded in favor of'];

/** What of an ended attempt decides what it says of its endpoint's load. */
interface EndedAttempt {
  readonly code: number;
  readonly details: string;
  readonly isStream: boolean;
}

/**
 * What an ended attempt says of its endpoint's load. An error of the server's own is never neutral here, though its
 * breaker may find it so: what answers at once with an error must not look free. A good answer
 * to a call with a single response has brought one message.
 */
export function loadOutcomeOf(
  outcome: Outcome,
  { code, details, isStream }: EndedAttempt,
  ending: AttemptEnding,
  messages: number,
): LoadOutcome {
  if (code === OK && (isStream || messages === 1)) return outcome === 'neutral' ? 'neutral' : 'success';
  const isOwn = OWN_ENDINGS.some((own) => details.startsWith(own));
  // Subscriptions end by plan.
  if (isOwn && isStream) return 'neutral';
  if (outcome === 'success' || outcome === 'less') return 'answered';
  if (outcome !== 'neutral') return 'failure';
  return ending === 'answered' && !isOwn ? 'answered' : 'neutral';
}
