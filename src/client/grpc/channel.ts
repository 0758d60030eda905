import { GraylaneError } from '../../base/errors';
import { type CallHome, GraylaneCall } from './call';
import type { CallScopes } from './call-scope';
import { type Call, type Channel, connectivity, type Deadline, type ParentCall } from './grpc-js';
/** What a channel's calls and its owner have in common. Calls in flight hold it, and with it the channel. */
export interface ChannelHome extends CallHome {
  channel: GraylaneChannel | undefined;
  channelClosed(channel: GraylaneChannel): void;
}

/**
 * The Channel that a Graylane client's users call through: grpc-js' own, wrapped so that each call is made with what
 * the caller's async context says. `createCall` runs in that context, whatever interceptors or frameworks stand in
 * between.
 */
export class GraylaneChannel implements Channel {
  #inner: Channel;
  readonly #home: ChannelHome;
  readonly #scopes: CallScopes;

  constructor(inner: Channel, home: ChannelHome, scopes: CallScopes) {
    this.#inner = inner;
    this.#home = home;
    this.#scopes = scopes;
    home.channel = this;
  }

  close(): void {
    this.closeBy('the channel, or the client that uses it, was closed: close()');
  }

  /** `reason`: what was closed, for those who still make calls. */
  closeBy(reason: string): void {
    if (this.#inner instanceof ClosedChannel) return;
    const inner = this.#inner;
    this.#inner = new ClosedChannel(inner, this.#home.service, reason);
    this.#home.mirror?.close();
    inner.close();
    this.#home.channelClosed(this);
  }

  getTarget(): string {
    return this.#inner.getTarget();
  }

  getConnectivityState(tryToConnect: boolean): ReturnType<Channel['getConnectivityState']> {
    return this.#inner.getConnectivityState(tryToConnect);
  }

  watchConnectivityState(...args: Parameters<Channel['watchConnectivityState']>): void {
    this.#inner.watchConnectivityState(...args);
  }

  getChannelzRef(): ReturnType<Channel['getChannelzRef']> {
    return this.#inner.getChannelzRef();
  }

  createCall(
    method: string,
    deadline: Deadline,
    host: string | null | undefined,
    parentCall: ParentCall,
    propagateFlags: number | null | undefined,
  ): Call {
    const scope = this.#scopes.storage.getStore();
    // With a `parent` of the caller's choice, its flags say what holds.
    const served = parentCall || scope?.deadline === 'own' ? undefined : scope?.served;
    const held = served === undefined ? deadline : served.shorten(deadline);
    const inner = this.#inner.createCall(method, held, host, parentCall, propagateFlags);
    const around = this.#home.telemetry?.callerContext();
    return new GraylaneCall(inner, this.#home, method, scope, around, served, held, held !== deadline, host);
  }
}

/**
 * In place of grpc-js' channel once that is closed: grpc-js' own says "Channel has been shut down" and not which, and
 * would start resolver and connections again when asked for its state.
 */
class ClosedChannel implements Channel {
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
