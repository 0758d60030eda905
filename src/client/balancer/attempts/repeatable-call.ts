import type { Metadata, StatusObject, SubchannelCall, SubchannelCallListener } from '../../grpc/grpc-js';
import type { AttemptEnding } from '../../grpc/retry-rules';

/** HTTP/2 error code of a stream that the server did not take on: RFC 9113, section 8.7. */
const REFUSED_STREAM = 7;
/** How grpc-js words the end of calls whose connection broke, where Node has not yet told the streams. */
const CONNECTION_DROPPED = 'Connection dropped';

/**
 * A status as the transport tells it: `rstCode` is that of the stream's reset, and missing in a status from trailers.
 */
export type TransportStatus = StatusObject & { readonly rstCode?: number };

/** The attempt that a repeatable call belongs to. */
interface Repeating {
  /** The caller, or the caller's deadline, is about to end the call: no attempt follows. */
  onCancel(call: RepeatableCall): void;
}

/**
 * The transport's call of an attempt that may not be the last one of its call, between grpc-js and the transport. Tells
 * the attempt of a cancel before it happens, and knows whether grpc-js can still send the request again.
 *
 * It also holds a unary response until its status follows. grpc-js commits a call to the attempt whose headers it sees,
 * so that a connection that breaks between headers and status would lose the call (docs/decisions/0022).
 */
export class RepeatableCall implements SubchannelCall {
  readonly #call: SubchannelCall;
  readonly #attempt: Repeating;
  #messages = 0;
  #bytes = 0;
  #isHalfClosed = false;
  #heldMetadata: Metadata | undefined = undefined;
  #heldMessage: Buffer | undefined = undefined;

  constructor(call: SubchannelCall, attempt: Repeating) {
    this.#call = call;
    this.#attempt = attempt;
  }

  /**
   * The whole request is one message that grpc-js keeps. A request that is still being written, or is larger than its
   * buffer, ties the call to this attempt (gRFC A6, "Memory Management").
   */
  isRequestKept(bufferBytes: number): boolean {
    return this.#isHalfClosed && this.#messages <= 1 && this.#bytes <= bufferBytes;
  }

  get isHolding(): boolean {
    return this.#heldMetadata !== undefined;
  }

  holdMetadata(metadata: Metadata): void {
    this.#heldMetadata = metadata;
  }

  /** False when nothing is held, or a message is already: then this is no unary response. */
  holdMessage(message: Buffer): boolean {
    if (this.#heldMetadata === undefined || this.#heldMessage !== undefined) return false;
    this.#heldMessage = message;
    return true;
  }

  /** Without effect when nothing is held. */
  deliverTo(listener: SubchannelCallListener | undefined): void {
    const metadata = this.#heldMetadata;
    const message = this.#heldMessage;
    this.#heldMetadata = undefined;
    this.#heldMessage = undefined;
    if (metadata !== undefined) listener?.onReceiveMetadata(metadata);
    if (message !== undefined) listener?.onReceiveMessage(message);
  }

  cancelWithStatus(...args: Parameters<SubchannelCall['cancelWithStatus']>): void {
    this.#attempt.onCancel(this);
    this.#call.cancelWithStatus(...args);
  }

  getPeer(): string {
    return this.#call.getPeer();
  }

  sendMessageWithContext(...args: Parameters<SubchannelCall['sendMessageWithContext']>): void {
    this.#messages += 1;
    this.#bytes += args[1].length;
    this.#call.sendMessageWithContext(...args);
  }

  startRead(): void {
    this.#call.startRead();
  }

  halfClose(): void {
    this.#isHalfClosed = true;
    this.#call.halfClose();
  }

  getCallNumber(): number {
    return this.#call.getCallNumber();
  }

  getDeadlineInfo(): string[] {
    return this.#call.getDeadlineInfo();
  }

  getAuthContext(): ReturnType<SubchannelCall['getAuthContext']> {
    return this.#call.getAuthContext();
  }
}

/**
 * Where a status comes from: grpc-js leaves `rstCode` out of those that come from trailers, and of those of a dropped
 * connection that Node has not yet told the streams of. A stream that is refused after it was answered was not refused.
 */
export function endingOf({ rstCode, details }: TransportStatus, hasResponded: boolean): AttemptEnding {
  if (rstCode === REFUSED_STREAM && !hasResponded) return 'unseen';
  return rstCode === undefined && details !== CONNECTION_DROPPED ? 'answered' : 'broken';
}

/** The status as one that grpc-js does not take for a refusal, which it would try again whatever the policy says. */
export function withoutReset({ code, details, metadata }: TransportStatus): StatusObject {
  return { code, details, metadata };
}
