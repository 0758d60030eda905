import type { Metadata, StatusObject, SubchannelCallListener } from '../../grpc/grpc-js';
import type { AttemptEnding } from './routed-call';

/** HTTP/2 error code of a stream that the server did not take on: RFC 9113, section 8.7. */
const REFUSED_STREAM = 7;
/** How grpc-js words the end of calls whose connection broke, where Node has not yet told the streams. */
const CONNECTION_DROPPED = 'Connection dropped';

/**
 * What has come of a unary response, kept until its status follows. grpc-js commits a call to the attempt whose headers
 * it sees, so that a connection that breaks between headers and status would lose the call (docs/decisions/0022).
 */
export class HeldResponse {
  #metadata: Metadata | undefined;
  #message: Buffer | undefined;

  get isEmpty(): boolean {
    return this.#metadata === undefined;
  }

  holdMetadata(metadata: Metadata): void {
    this.#metadata = metadata;
  }

  /** False when nothing is held, or a message is already: whatever that is, it is no unary response. */
  holdMessage(message: Buffer): boolean {
    if (this.#metadata === undefined || this.#message !== undefined) return false;
    this.#message = message;
    return true;
  }

  /** Without effect when nothing is held. */
  deliverTo(listener: SubchannelCallListener | undefined): void {
    const metadata = this.#metadata;
    const message = this.#message;
    this.clear();
    if (metadata !== undefined) listener?.onReceiveMetadata(metadata);
    if (message !== undefined) listener?.onReceiveMessage(message);
  }

  clear(): void {
    this.#metadata = undefined;
    this.#message = undefined;
  }
}

/** A status as the transport tells it: `rstCode` is that of the stream's reset, and missing for one from trailers. */
export type TransportStatus = StatusObject & { readonly rstCode?: number };

/**
 * Who made a status: grpc-js leaves `rstCode` out of those that come from trailers, save where the connection was dropped
 * before Node told the streams. A stream that is refused after it was answered was not refused.
 */
export function endingOf({ rstCode, details }: TransportStatus, hasResponded: boolean): AttemptEnding {
  if (rstCode === REFUSED_STREAM && !hasResponded) return 'unseen';
  return rstCode === undefined && details !== CONNECTION_DROPPED ? 'answered' : 'broken';
}

/** The status as one that grpc-js does not take for a refusal, which it would try again whatever the policy says. */
export function withoutReset({ code, details, metadata }: TransportStatus): StatusObject {
  return { code, details, metadata };
}
