import { GraylaneError } from '../../base/errors';
import { type Call, type Channel, connectivity } from './grpc-js';

/**
 * In place of grpc-js' channel once that is closed: grpc-js' own says "Channel has been shut down" and not which, and would
 * start resolver and connections again when asked for its state.
 */
export class ClosedChannel implements Channel {
  readonly #target: string;
  readonly #channelzRef: ReturnType<Channel['getChannelzRef']>;
  readonly #service: string;
  readonly #reason: string;

  constructor(former: Channel, service: string, reason: string) {
    this.#target = former.getTarget();
    this.#channelzRef = former.getChannelzRef();
    this.#service = service;
    this.#reason = reason;
  }

  close(): void {}

  getTarget(): string {
    return this.#target;
  }

  getConnectivityState(): ReturnType<Channel['getConnectivityState']> {
    return connectivity.SHUTDOWN;
  }

  watchConnectivityState(): void {
    throw this.#error();
  }

  getChannelzRef(): ReturnType<Channel['getChannelzRef']> {
    return this.#channelzRef;
  }

  createCall(): Call {
    throw this.#error();
  }

  #error(): GraylaneError {
    return new GraylaneError('CHANNEL_CLOSED', `${this.#service}: Channel has been shut down (${this.#reason})`);
  }
}
