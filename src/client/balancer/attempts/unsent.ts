import { dropUnsendable } from '../../../base/header-name';
import { headersIn, type Metadata } from '../../grpc/grpc-js';
import type { BalancerHost } from '../host';
import type { RoutedCall } from './routed-call';

/** A connection that goes at this very moment costs one or two; no cause that passes costs so many in a row. */
const MOST_IN_A_ROW = 20;
/** Node's HTTP/2 will not have what the call is to send, over whichever connection. */
const OF_THE_CALL =
  /^ERR_(HTTP2_(HEADER|INVALID_(CONNECTION_)?HEADER|INVALID_PSEUDOHEADER|PSEUDOHEADER)|HTTP_|INVALID_)/;

/** What an attempt is about to send, whoever has put it there: caller, labels, config entries, credentials. */
export function withoutUnsendable(metadata: Metadata, host: BalancerHost): void {
  const headers = headersIn(metadata);
  const dropped = headers === undefined ? undefined : dropUnsendable(headers);
  if (dropped !== undefined) host.headerDropped?.(dropped);
}

/** The transport threw when an attempt of the call was to begin. Sets `unsentReason` where a further one would fare no better. */
export function noteUnsent(call: RoutedCall, error: unknown): void {
  call.unsent += 1;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  if (OF_THE_CALL.test(code)) call.unsentReason = `cannot be sent: ${message}`;
  else if (call.unsent >= MOST_IN_A_ROW) {
    call.unsentReason = `${call.unsent} attempts in a row could not be begun: ${message}`;
  }
}
