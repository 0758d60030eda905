/**
 * The only door to grpc-js' `experimental` exports and to anything of it that is not public. They carry no promise of
 * stability, so the peer dependency is held to `~1.14` and everything else in this library asks here.
 *
 * Values are always taken from a module that is handed in, since the user's grpc-js may be another copy than ours.
 */
import type { ClientHttp2Session } from 'node:http2';
import type * as grpc from '@grpc/grpc-js';
import { SINGLE_HEADERS, UNSENDABLE_HEADERS } from '../../base/header-name';

/** What `require('@grpc/grpc-js')` gives. */
export type GrpcModule = typeof grpc;
export type Metadata = grpc.Metadata;
export type Status = grpc.status;
export type StatusObject = grpc.StatusObject;
export type ChannelCredentials = grpc.ChannelCredentials;
export type CallCredentials = grpc.CallCredentials;
export type ChannelOptions = grpc.ChannelOptions;
export type ClientOptions = grpc.ClientOptions;
export type Channel = grpc.ChannelInterface;
/** The class by type: what libraries ask for that take a Channel, though they use no more of it than the interface. */
export type ClientChannel = grpc.Channel;
export type Deadline = grpc.Deadline;
export type InterceptingListener = grpc.InterceptingListener;
export type ServerInterceptor = grpc.ServerInterceptor;
export type ServerInterceptingCall = grpc.ServerInterceptingCallInterface;
/** What grpc-js calls at the server's end of a call. */
export type ServerListener = Parameters<ServerInterceptingCall['start']>[0];
export type ParentCall = Parameters<Channel['createCall']>[3];
export type Call = grpc.experimental.CallStream;

export type GrpcUri = grpc.experimental.GrpcUri;
export type Resolver = grpc.experimental.Resolver;
export type ResolverListener = grpc.experimental.ResolverListener;
export type ConfigSelector = grpc.experimental.ConfigSelector;
export type CallConfig = ReturnType<ConfigSelector['invoke']>;
export type LoadBalancer = grpc.experimental.LoadBalancer;
export type ChannelControlHelper = grpc.experimental.ChannelControlHelper;
type TypedLoadBalancingConfig = grpc.experimental.TypedLoadBalancingConfig;
export type Picker = grpc.experimental.Picker;
export type PickArgs = grpc.experimental.PickArgs;
export type PickResult = grpc.experimental.PickResult;
export type SubchannelInterface = grpc.experimental.SubchannelInterface;
export type ConnectivityStateListener = grpc.experimental.ConnectivityStateListener;
export type Filter = grpc.experimental.Filter;
export type FilterFactory = grpc.experimental.FilterFactory<Filter>;
export type ChannelzRef = Parameters<ChannelControlHelper['addChannelzChild']>[0];
export type RealSubchannel = ReturnType<SubchannelInterface['getRealSubchannel']>;
export type SubchannelCall = ReturnType<RealSubchannel['createCall']>;
export type SubchannelCallListener = Parameters<RealSubchannel['createCall']>[3];

/** Metadata by which grpc-js tells a server how often a call was tried before. */
export const PREVIOUS_ATTEMPTS_KEY = 'grpc-previous-rpc-attempts';

/** grpc-js' connectivity states by name; the numbers are those of its public enum. */
export const connectivity = { IDLE: 0, CONNECTING: 1, READY: 2, TRANSIENT_FAILURE: 3, SHUTDOWN: 4 } as const;

/** Kinds of pick results; the numbers are those of grpc-js' enum. */
export const pickKind = { COMPLETE: 0, QUEUE: 1, TRANSIENT_FAILURE: 2, DROP: 3 } as const;

export const LB_POLICY_NAME = 'graylane';

/**
 * grpc-js compares subchannel arguments by identity and reconnects everything when one differs, except for keys under
 * this prefix. Every object of ours that travels in channel options or resolver attributes is named under it.
 */
const UNCOMPARED_PREFIX = 'grpc.internal.no_subchannel';

/** The resolver attribute under which grpc-js looks for the config selector. It lacks the prefix above. */
export const CONFIG_SELECTOR_KEY = 'grpc.internal.config_selector';

export const CLIENT_OPTION: string = `${UNCOMPARED_PREFIX}.graylane.client`;
/** Channels with the same object under this option share their subchannels and one balancer. */
export const GROUP_OPTION: string = `${UNCOMPARED_PREFIX}.graylane.group`;
/** Set on the channel that the copies of another channel's calls go through. */
export const COPIES_OPTION: string = `${UNCOMPARED_PREFIX}.graylane.copies`;
export const LINK_ATTRIBUTE: string = `${UNCOMPARED_PREFIX}.graylane.link`;

/** The one service config that resolvers of this library hand over. */
export const serviceConfig: grpc.ServiceConfig = {
  loadBalancingConfig: [{ [LB_POLICY_NAME]: {} }],
  methodConfig: [],
};

class GraylaneLoadBalancingConfig implements TypedLoadBalancingConfig {
  static createFromJson(): GraylaneLoadBalancingConfig {
    return new GraylaneLoadBalancingConfig();
  }
  getLoadBalancerName(): string {
    return LB_POLICY_NAME;
  }
  toJsonObject(): object {
    return { [LB_POLICY_NAME]: {} };
  }
}

export type ResolverConstructor = (new (
  target: GrpcUri,
  listener: ResolverListener,
  options: ChannelOptions,
) => Resolver) & { getDefaultAuthority(target: GrpcUri): string };

export type LoadBalancerConstructor = new (helper: ChannelControlHelper) => LoadBalancer;

/** Registers scheme and policy with one copy of grpc-js. Registering twice replaces, which is harmless. */
export function registerResolver(module: GrpcModule, scheme: string, resolver: ResolverConstructor): void {
  module.experimental.registerResolver(scheme, resolver);
}

export function registerLoadBalancer(module: GrpcModule, balancer: LoadBalancerConstructor): void {
  module.experimental.registerLoadBalancerType(LB_POLICY_NAME, balancer, GraylaneLoadBalancingConfig);
}

/** Options for subchannels: what came from the channel, without what must not be compared. */
export function subchannelOptions(options: ChannelOptions): ChannelOptions {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    if (key !== CONFIG_SELECTOR_KEY && !key.startsWith(UNCOMPARED_PREFIX)) kept[key] = value;
  }
  return kept as ChannelOptions;
}

export type ValuesByKey = ReadonlyMap<string, readonly grpc.MetadataValue[]>;

/**
 * What a call's metadata holds, by key in lower case: without the work that `get` does for keys in any case, and without
 * the list that it makes for one that is absent. Reaches for a private field; undefined where grpc-js keeps metadata
 * otherwise.
 */
export function valuesByKey(metadata: Pick<Metadata, 'get'>): ValuesByKey | undefined {
  const { internalRepr } = metadata as { readonly internalRepr?: unknown };
  return internalRepr instanceof Map ? internalRepr : undefined;
}

/** Set by a visit, which is one function so that none is made for each call. */
let unsendable: string | undefined;

/**
 * Takes out of an attempt's metadata what cannot be sent, and of values that must be one all but the last: of caller,
 * labels, config entries, credentials. Returns the name of one such header; undefined when there was none, or where
 * grpc-js keeps headers otherwise. A call that tried to send it would end the connection that it shares with others, at
 * each attempt anew.
 */
export function dropUnsendable(metadata: Metadata): string | undefined {
  const { internalRepr } = metadata as unknown as { readonly internalRepr?: unknown };
  unsendable = undefined;
  if (internalRepr instanceof Map) internalRepr.forEach(dropOne);
  return unsendable;
}

function dropOne(values: unknown[], name: string, headers: Map<string, unknown[]>): void {
  if (UNSENDABLE_HEADERS.has(name)) headers.delete(name);
  else if (values.length > 1 && SINGLE_HEADERS.has(name)) values.splice(0, values.length - 1);
  else return;
  unsendable = name;
}

/** What the transport of a subchannel reads of a call's metadata, for a call of our own. */
export function headersOnly(headers: Readonly<Record<string, string>>): Metadata {
  return { toHttp2Headers: () => ({ ...headers }) } as unknown as Metadata;
}

/** What grpc-js derives its own wrappers of subchannels from. */
export function subchannelWrapperOf(module: GrpcModule): typeof grpc.experimental.BaseSubchannelWrapper {
  return module.experimental.BaseSubchannelWrapper;
}

/** Whether the channels' subchannels may be the same ones: asked as grpc-js' own pool asks. */
export function sameCredentials(a: ChannelCredentials, b: ChannelCredentials): boolean {
  return a === b || a._equals(b);
}

/** Whether two channels' options make the same subchannels. Objects are compared by identity, as in grpc-js. */
export function sameSubchannelOptions(a: ChannelOptions, b: ChannelOptions): boolean {
  const kept = subchannelOptions(a) as Record<string, unknown>;
  const others = subchannelOptions(b) as Record<string, unknown>;
  const keys = Object.keys(kept);
  return keys.length === Object.keys(others).length && keys.every((key) => key in others && kept[key] === others[key]);
}

/** Hands `extra` to everything that later sees this metadata in the process; nothing of it goes on the wire. */
export function attachToMetadata(metadata: Metadata, key: symbol, extra: object): void {
  metadata.setOptions({ ...metadata.getOptions(), [key]: extra } as ReturnType<Metadata['getOptions']>);
}

export function attachedToMetadata(metadata: Metadata, key: symbol): unknown {
  return (metadata.getOptions() as Record<symbol, unknown>)[key];
}

/** Whether channels with these options ping their servers now and then. */
export function sendsKeepalivePings(options: ChannelOptions): boolean {
  return Number(options['grpc.keepalive_time_ms'] ?? -1) > 0;
}

/**
 * A function that ends the keepalive pings of the connection which the subchannel has now, for good. grpc-js 1.14 pings
 * a session that is closing too, takes the refusal for a lost connection, and drops the calls that are still running on
 * it. Reaches for private fields; undefined where grpc-js does not have them as expected.
 */
export function stopperOfPings(subchannel: SubchannelInterface): (() => void) | undefined {
  const { transport } = subchannel.getRealSubchannel() as unknown as { readonly transport?: unknown };
  if (!hasPings(transport)) return undefined;
  return () => {
    transport.keepaliveTimeMs = -1;
    transport.clearKeepaliveTimeout();
  };
}

interface WithPings {
  keepaliveTimeMs: number;
  clearKeepaliveTimeout(): void;
}

function hasPings(transport: unknown): transport is WithPings {
  if (typeof transport !== 'object' || transport === null) return false;
  const { keepaliveTimeMs, clearKeepaliveTimeout } = transport as Partial<WithPings>;
  return typeof keepaliveTimeMs === 'number' && typeof clearKeepaliveTimeout === 'function';
}

/**
 * The HTTP/2 session of the connection that the subchannel has now. grpc-js shows neither the peer's settings nor
 * whether it answers. Reaches for private fields; undefined where grpc-js does not have them as expected, or while it
 * tells its listeners of READY: it stores the transport after that, in the same turn.
 */
export function http2SessionOf(subchannel: SubchannelInterface): ClientHttp2Session | undefined {
  const { transport } = subchannel.getRealSubchannel() as unknown as { readonly transport?: unknown };
  if (typeof transport !== 'object' || transport === null) return undefined;
  const { session } = transport as { readonly session?: Partial<ClientHttp2Session> };
  const isSession = typeof session?.ping === 'function' && typeof session.on === 'function';
  return isSession ? (session as ClientHttp2Session) : undefined;
}

const ANY_CREDENTIALS: CallCredentials = {
  generateMetadata: () => Promise.reject(new Error('these call credentials only stand for any')),
  compose: () => ANY_CREDENTIALS,
  _equals: (other) => other === ANY_CREDENTIALS,
};

/** grpc-js' "no credentials", for which it takes a shorter way: only they return what they are composed with. */
export function isNoCredentials(credentials: CallCredentials): boolean {
  return credentials.compose(ANY_CREDENTIALS) === ANY_CREDENTIALS;
}

const texts = new Map<number, string>();

/** A duration as grpc-js wants it. Calls ask for the same few. */
export function seconds(milliseconds: number): string {
  const known = texts.get(milliseconds);
  if (known !== undefined) return known;
  const text = `${milliseconds / 1000}s`;
  if (texts.size < 1_000) texts.set(milliseconds, text);
  return text;
}
