import * as grpc from '@grpc/grpc-js';

/** A channel as grpc-js' channelz service tells of it. */
export interface ChannelzChannel {
  readonly target: string;
  readonly state: string;
  /** Events of its trace since it was made: each state that it was told is one. */
  readonly events: number;
  /** `host:port` of its subchannels. */
  readonly subchannels: readonly string[];
}

interface Message {
  readonly data: { readonly target: string; readonly state: { state: string }; readonly trace: Trace };
  readonly subchannel_ref: readonly { readonly name: string }[];
}

interface Trace {
  readonly num_events_logged: number;
}

type Handler = (
  call: { readonly request: Record<string, unknown> },
  callback: (error: object | null, answer?: { readonly channel: Message | Message[] }) => void,
) => void;

const handlers = grpc.getChannelzHandlers() as unknown as Record<'GetChannel' | 'GetTopChannels', Handler>;

/** Undefined: channelz lists no such channel. */
export function channelzOf(channel: grpc.ChannelInterface): ChannelzChannel | undefined {
  const { id } = channel.getChannelzRef();
  const message = ask('GetChannel', { channel_id: String(id) });
  return message === undefined ? undefined : view(message as Message);
}

/** All that are listed for this target. */
export function channelzTo(target: string): ChannelzChannel[] {
  const messages = ask('GetTopChannels', { start_channel_id: '0', max_results: '100000' }) as Message[];
  return messages.map(view).filter((channel) => channel.target === target);
}

function ask(handler: keyof typeof handlers, request: Record<string, unknown>): Message | Message[] | undefined {
  let channel: Message | Message[] | undefined;
  handlers[handler]({ request }, (_error, answer) => {
    channel = answer?.channel;
  });
  return channel;
}

function view({ data, subchannel_ref }: Message): ChannelzChannel {
  return {
    target: data.target,
    state: data.state.state,
    events: data.trace.num_events_logged,
    subchannels: subchannel_ref.map(({ name }) => name),
  };
}
