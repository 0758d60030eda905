import type { MethodTime, MethodTimes } from './method-times';
import type { RoutedCall } from './routed-call';

/**
 * Is it a stream, or may it be one? An upload too: it ends when its caller pleases. A call of unknown kind is taken for one
 * until its method has ended often enough with a single message, and never with more.
 */
export function isStreamCall({ kind }: RoutedCall, time: MethodTime): boolean {
  if (kind === undefined) return time.isStream || !time.isKnown;
  return kind !== 'unary';
}

/**
 * Is it counted among those that last, rather than among quick calls? Streams are, and calls that usually take long: whether
 * such a call works or waits nobody can tell, and one long poll must not turn quick calls away from its endpoint.
 */
export function lasts(call: RoutedCall, times: MethodTimes): boolean {
  const { kind } = call;
  if (kind !== undefined && kind !== 'unary') return true;
  const time = times.of(call.method);
  return time.isLong || isStreamCall(call, time);
}
