import type { Metadata, StatusObject, SubchannelCallListener } from '../../internal/grpc';

const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
/** How grpc-js words the end of calls whose connection broke, where Node has not yet told the streams. */
const CONNECTION_DROPPED = 'Connection dropped';

/**
 * What has come of a unary response, kept until its status follows. grpc-js commits a call to the attempt whose headers
 * it sees, so that a connection that breaks between headers and status would lose the call (docs/decisions/0022).
 */
export class HeldResponse {
  #metadata: Metadata | undefined;
  #message: Buffer | undefined;

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

/** False where the connection or the stream broke off, or the caller gave up: grpc-js made that status itself. */
export function isFromServer({ code, details, rstCode }: StatusObject & { readonly rstCode?: number }): boolean {
  if (code === CANCELLED || code === DEADLINE_EXCEEDED) return false;
  return rstCode === undefined && details !== CONNECTION_DROPPED;
}
