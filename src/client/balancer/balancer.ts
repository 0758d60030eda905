import {
  type ChannelControlHelper,
  type ChannelOptions,
  GROUP_OPTION,
  type GrpcModule,
  LB_POLICY_NAME,
  LINK_ATTRIBUTE,
  type LoadBalancer,
  type LoadBalancerConstructor,
  subchannelOptions,
} from '../grpc/grpc-js';
import { BalancerGroup, type GroupMember } from './balancer-group';
import type { ChannelLink } from './context';
import { createSubchannelSharer } from './group-subchannels';

/**
 * The load-balancing policy of this library, one object for each channel that is not idle: a member of the group of
 * channels that share their subchannels. Statistics live in the context and survive it.
 */
export function createBalancerClass(grpc: GrpcModule): LoadBalancerConstructor {
  const deps = { createMetadata: () => new grpc.Metadata(), share: createSubchannelSharer(grpc) };
  /** By what channels carry as their group; a channel without one is a group of its own. */
  const groups = new WeakMap<object, BalancerGroup>();
  return class GraylaneLoadBalancer implements LoadBalancer {
    readonly #helper: ChannelControlHelper;
    #member: GroupMember | undefined;
    #key: object | undefined;

    constructor(helper: ChannelControlHelper) {
      this.#helper = helper;
    }

    /** Called once for each spell between two idle ones; the group hears of later snapshots from its context. */
    updateAddressList(_endpoints: unknown, _config: unknown, options: ChannelOptions): boolean {
      const link = options[LINK_ATTRIBUTE] as ChannelLink | undefined;
      if (link === undefined) return false;
      if (this.#member !== undefined) return true;
      const key = (options[GROUP_OPTION] as object | undefined) ?? link;
      let group = groups.get(key);
      if (group === undefined) {
        group = new BalancerGroup(link.context, subchannelOptions(options), deps);
        groups.set(key, group);
      }
      this.#key = key;
      this.#member = group.join(this.#helper, link);
      return true;
    }

    exitIdle(): void {
      this.#member?.group.reconnect();
    }

    resetBackoff(): void {
      this.#member?.group.reconnect();
    }

    destroy(): void {
      const member = this.#member;
      if (member === undefined) return;
      this.#member = undefined;
      member.leave();
      if (member.group.isClosed && this.#key !== undefined) groups.delete(this.#key);
    }

    getTypeName(): string {
      return LB_POLICY_NAME;
    }
  };
}
