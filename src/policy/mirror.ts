import type { MirrorDocument } from './mirror-document';
import { type Decision, type Destination, LOCAL_PLACE } from './plan';

const DEFAULT_MAX_IN_FLIGHT = 100;
const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * The decision with the mirror of its route; as it is where the route has none, or sends the call
 * where the mirror leads anyway. `to`: where the mirror leads; `own`: where the call goes. Both without a fallback.
 */
export function withMirror(
  decision: Decision,
  mirror: MirrorDocument<unknown> | undefined,
  to: Destination | undefined,
  own: Destination | undefined,
): Decision {
  if (mirror === undefined || to === undefined || own === undefined || isSame(to, own)) return decision;
  const { percent = 100, maxInFlight = DEFAULT_MAX_IN_FLIGHT, timeoutMs = DEFAULT_TIMEOUT_MS, compare } = mirror;
  const alone = (destination: Destination): Decision => ({
    ...decision,
    destination,
    timeoutMs: undefined,
    attemptTimeoutMs: undefined,
    retry: 'off',
    hedging: undefined,
  });
  const ignore = typeof compare === 'object' ? (compare.ignore ?? []) : [];
  return {
    ...decision,
    mirror: {
      share: Math.round(percent * 100),
      maxInFlight,
      timeoutMs,
      compare: compare === undefined || compare === false ? undefined : { ignore },
      copy: alone(to),
      again: alone(own),
    },
  };
}

function isSame(one: Destination, other: Destination): boolean {
  const placeOf = ({ places }: Destination): string => places?.[0]?.[0] ?? LOCAL_PLACE;
  return one.subset === other.subset && placeOf(one) === placeOf(other);
}
