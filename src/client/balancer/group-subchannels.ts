import {
  type ChannelControlHelper,
  type ChannelzRef,
  type ConnectivityStateListener,
  type GrpcModule,
  type SubchannelInterface,
  subchannelWrapperOf,
} from '../grpc/grpc-js';

/** Hears of the subchannels that it holds. */
interface SubchannelOwner {
  /** The first reference was taken. */
  opened(subchannel: SubchannelInterface): void;
  /** The last reference was given back. */
  released(subchannel: SubchannelInterface): void;
  /** The server of one of them complained of too many pings: the least interval from now on, in milliseconds. */
  keepaliveThrottled(keepaliveMs: number): void;
}

/** Makes what wraps a real subchannel for `owner`. */
export type ShareSubchannel = (real: SubchannelInterface, owner: SubchannelOwner) => SubchannelInterface;

/**
 * What grpc-js' own ChannelSubchannelWrapper is to one channel, for a group of them: that one would keep the channel
 * alive that happened to open the subchannel, and tell that channel alone of a server's complaint.
 */
export function createSubchannelSharer(grpc: GrpcModule): ShareSubchannel {
  class SharedSubchannel extends subchannelWrapperOf(grpc) {
    readonly #owner: SubchannelOwner;
    readonly #listener: ConnectivityStateListener;
    #references = 0;

    constructor(real: SubchannelInterface, owner: SubchannelOwner) {
      super(real);
      this.#owner = owner;
      this.#listener = (_subchannel, _previous, _state, keepaliveMs) => owner.keepaliveThrottled(keepaliveMs);
    }

    override ref(): void {
      if (this.#references === 0) {
        this.child.addConnectivityStateListener(this.#listener);
        this.#owner.opened(this);
      }
      this.#references += 1;
      this.child.ref();
    }

    override unref(): void {
      this.child.unref();
      this.#references -= 1;
      if (this.#references > 0) return;
      this.child.removeConnectivityStateListener(this.#listener);
      this.#owner.released(this);
    }
  }
  return (real, owner) => new SharedSubchannel(real, owner);
}

/** A channel of the group. */
interface SubchannelMember {
  readonly helper: ChannelControlHelper;
}

/**
 * Gives a group's connections their subchannels. Each is made by some member's channel, belongs to the group, and is
 * listed by channelz under every member.
 */
export class GroupSubchannels implements ChannelControlHelper, SubchannelOwner {
  readonly held: Set<SubchannelInterface> = new Set();
  readonly #members: ReadonlySet<SubchannelMember>;
  readonly #share: ShareSubchannel;
  #keepaliveMs = -1;

  constructor(members: ReadonlySet<SubchannelMember>, share: ShareSubchannel) {
    this.#members = members;
    this.#share = share;
  }

  createSubchannel(...args: Parameters<ChannelControlHelper['createSubchannel']>): SubchannelInterface {
    const [member] = this.#members;
    if (member === undefined) throw new Error('a group without members opens no connections');
    const real = member.helper.createSubchannel(...args).getRealSubchannel();
    real.throttleKeepalive(this.#keepaliveMs);
    return this.#share(real, this);
  }

  opened(subchannel: SubchannelInterface): void {
    this.held.add(subchannel);
    this.addChannelzChild(subchannel.getChannelzRef());
  }

  released(subchannel: SubchannelInterface): void {
    this.held.delete(subchannel);
    this.removeChannelzChild(subchannel.getChannelzRef());
  }

  keepaliveThrottled(keepaliveMs: number): void {
    if (keepaliveMs <= this.#keepaliveMs) return;
    this.#keepaliveMs = keepaliveMs;
    for (const subchannel of this.held) subchannel.throttleKeepalive(keepaliveMs);
  }

  addChannelzChild(child: ChannelzRef): void {
    for (const { helper } of this.#members) helper.addChannelzChild(child);
  }

  removeChannelzChild(child: ChannelzRef): void {
    for (const { helper } of this.#members) helper.removeChannelzChild(child);
  }

  /** A connection has nothing to tell its channel but by its state. */
  updateState(): void {}
  requestReresolution(): void {}
}
