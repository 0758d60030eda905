import { type ChannelCredentials, type ChannelOptions, sameCredentials, sameSubchannelOptions } from './grpc-js';

/** Channels to one target that grpc-js would give the same subchannels. Travels as a channel option. */
export interface ChannelGroup {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
  /** grpc-js may print channel options when tracing is on. */
  toJSON(): string;
}

/** Finds out which channels share their subchannels. A group is forgotten with its last channel. */
export class ChannelGroups {
  readonly #byTarget = new Map<string, WeakRef<ChannelGroup>[]>();

  /** `options`: all that the channel is made with, but for its group. */
  of(target: string, credentials: ChannelCredentials, options: ChannelOptions): ChannelGroup {
    const made: ChannelGroup = { credentials, options, toJSON: () => `channels to ${target}` };
    // Its subchannels are in a pool of its own.
    if ((options['grpc.use_local_subchannel_pool'] ?? 0) !== 0) return made;
    const alive: WeakRef<ChannelGroup>[] = [];
    let found: ChannelGroup | undefined;
    for (const reference of this.#byTarget.get(target) ?? []) {
      const group = reference.deref();
      if (group === undefined) continue;
      alive.push(reference);
      if (found !== undefined || !sameSubchannelOptions(group.options, options)) continue;
      if (sameCredentials(group.credentials, credentials)) found = group;
    }
    if (found === undefined) alive.push(new WeakRef(made));
    this.#byTarget.set(target, alive);
    return found ?? made;
  }
}
