import { destinationName } from '../places/destination';
import type { Decision } from '../plan';
import type { CallKind } from './call';
import { retryOf } from './decide';

/** The copies of a call. */
export interface ExplainedMirror {
  /** Subset that gets them, with the place that it is pinned to. */
  readonly to: string;
  /** Share of such calls that are copied. */
  readonly percent: number;
  /** How answers are compared, in words. */
  readonly compare: string;
  /** Why this call is not copied all the same; undefined: nothing is known to speak against it. */
  readonly skipped?: string;
}

const OF_STREAMS = 'the answers of the method are a stream';

/** `kind`: of the method, where it is known. */
export function explainMirror(
  decision: Decision,
  method: string,
  isIdempotent: boolean,
  kind: CallKind | undefined,
): ExplainedMirror | undefined {
  const { mirror, hedging } = decision;
  if (mirror === undefined) return undefined;
  const mayRunAgain = hedging !== undefined || retryOf(decision, method, isIdempotent) !== undefined;
  const noise = mayRunAgain
    ? 'by field, beside what differs between two answers of the same subset'
    : 'by field; what differs by itself is not known, since the call may run once only';
  const isStream = kind === 'serverStream' || kind === 'bidi';
  return {
    to: destinationName(mirror.copy.destination),
    percent: mirror.share / 100,
    compare: mirror.compare === undefined ? 'no' : noise,
    ...(isStream && { skipped: OF_STREAMS }),
  };
}
