import { changeHeaders } from '../balancer/picker';
import type { CallState } from './call-state';
import type { Filter, FilterFactory, Metadata, StatusObject } from './grpc-js';

/**
 * Changes what the caller of one call receives, as its decision says: the initial metadata, and of the trailing
 * metadata what is to be removed. A call that ends without initial metadata, as one that fails does, has all changes in
 * its trailing metadata.
 */
export function responseFilter(call: CallState): FilterFactory {
  return { createFilter: () => new ResponseFilter(call) };
}

class ResponseFilter implements Filter {
  readonly #call: CallState;
  #hasMetadata = false;

  constructor(call: CallState) {
    this.#call = call;
  }

  receiveMetadata(metadata: Metadata): Metadata {
    const changes = this.#call.decision?.responseHeaders;
    if (changes === undefined) return metadata;
    this.#hasMetadata = true;
    const own = metadata.clone();
    changeHeaders(own, changes);
    return own;
  }

  receiveTrailers(status: StatusObject): StatusObject {
    const changes = this.#call.decision?.responseHeaders;
    if (changes === undefined) return status;
    const metadata = status.metadata.clone();
    if (this.#hasMetadata) for (const { remove } of changes) for (const key of remove) metadata.remove(key);
    else changeHeaders(metadata, changes);
    return { ...status, metadata };
  }

  sendMetadata(metadata: ReturnType<Filter['sendMetadata']>): ReturnType<Filter['sendMetadata']> {
    return metadata;
  }

  sendMessage(message: ReturnType<Filter['sendMessage']>): ReturnType<Filter['sendMessage']> {
    return message;
  }

  receiveMessage(message: ReturnType<Filter['receiveMessage']>): ReturnType<Filter['receiveMessage']> {
    return message;
  }
}
