import type { SubchannelCall } from '../../grpc/grpc-js';

/**
 * The transport's call of an attempt that may not be the last one of its call, between grpc-js and the transport. Tells of
 * a cancel before it happens, and knows whether grpc-js can still send the request again.
 */
export class RepeatableCall implements SubchannelCall {
  readonly #call: SubchannelCall;
  readonly #cancelling: () => void;
  #messages = 0;
  #bytes = 0;
  #isHalfClosed = false;

  /** `cancelling` runs when the caller, or his deadline, ends the call: nothing follows it. */
  constructor(call: SubchannelCall, cancelling: () => void) {
    this.#call = call;
    this.#cancelling = cancelling;
  }

  /**
   * The whole request is one message that grpc-js keeps. A request that is still being written, or is larger than its
   * buffer, ties the call to this attempt (gRFC A6, "Memory Management").
   */
  isRequestKept(bufferBytes: number): boolean {
    return this.#isHalfClosed && this.#messages <= 1 && this.#bytes <= bufferBytes;
  }

  cancelWithStatus(...args: Parameters<SubchannelCall['cancelWithStatus']>): void {
    this.#cancelling();
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
