import type { Clock } from '../../base/clock';
import type { CallsInFlight } from './call';
import type { CallScopes } from './call-scope';
import { GraylaneChannel } from './channel';
import { readChannelServiceConfig } from './channel-service-config';
import { checkCredentials, checkOptions } from './check-arguments';
import type { ClientHandle } from './client-registry';
import {
  type Channel,
  type ChannelCredentials,
  type ChannelOptions,
  CLIENT_OPTION,
  COPIES_OPTION,
  GROUP_OPTION,
  type GrpcModule,
  sameCredentials,
  sameSubchannelOptions,
} from './grpc-js';
import { KnownMethods } from './known-methods';
import { ChannelMirror } from './mirror/channel-mirror';
import { formatTarget, type Target } from './target';
export interface ChannelSetDeps {
  readonly grpc: GrpcModule;
  readonly handle: ClientHandle;
  readonly clock: Clock;
  readonly scopes: CallScopes;
  readonly staticLabels: Readonly<Record<string, string>>;
}

/** A channel that is open, without keeping it for its user. */
interface OpenChannel {
  readonly target: string;
  /** What the user has, and the calls in flight. */
  readonly outer: WeakRef<GraylaneChannel>;
  /** Carries copies of its calls; undefined until there are any. */
  copies: Channel | undefined;
}

/**
 * The open channels of one Graylane client, and how many of their calls are in flight. A channel that nobody holds any
 * more, neither a user nor a call in flight, is closed when the garbage collector has found that out: programs that
 * make a client for each health check never close it, and grpc-js lets go of such channels when they are idle.
 */
export class ChannelSet {
  /** Of all services; clients teach it through their options. */
  readonly knownMethods: KnownMethods = new KnownMethods();
  readonly #deps: ChannelSetDeps;
  readonly #groups = new ChannelGroups();
  readonly #open = new Map<Channel, OpenChannel>();
  readonly #abandoned = new FinalizationRegistry<Channel>((inner) => {
    this.#open.get(inner)?.copies?.close();
    if (this.#open.delete(inner)) inner.close();
  });
  readonly #callsInFlight: CallsInFlight = { count: 0, onIdle: undefined };

  constructor(deps: ChannelSetDeps) {
    this.#deps = deps;
  }

  /**
   * Throws GRPC_MISMATCH for credentials of another copy of grpc-js, INVALID_OPTION for what are no credentials or
   * options, and what the Graylane client throws for the target.
   */
  open(target: Target, credentials: ChannelCredentials, given: ChannelOptions): GraylaneChannel {
    const { grpc, handle, clock, scopes, staticLabels } = this.#deps;
    // Before grpc-js sees the target: what is wrong with it, or with its policy mode, is told in our words.
    const service = handle.service(target);
    checkCredentials(grpc, credentials);
    checkOptions(given);
    readChannelServiceConfig(service, given);
    const address = formatTarget(target);
    const options = { ...DEFAULT_CHANNEL_OPTIONS, ...given, ...FIXED_CHANNEL_OPTIONS, [CLIENT_OPTION]: handle };
    const group = this.#groups.of(address, credentials, options);
    const grouped = { ...options, [GROUP_OPTION]: group };
    const inner = new grpc.Channel(address, credentials, grouped);
    const channel: GraylaneChannel = new GraylaneChannel(
      inner,
      {
        channel: undefined,
        service: target.service,
        clock,
        staticLabels: Object.keys(staticLabels).length === 0 ? undefined : staticLabels,
        logger: service.logger,
        telemetry: service.telemetry,
        knownMethods: this.knownMethods,
        callsInFlight: this.#callsInFlight,
        mirror: undefined,
        openMirror: () =>
          new ChannelMirror(service, () => {
            const copies = new grpc.Channel(address, credentials, { ...grouped, [COPIES_OPTION]: true });
            const entry = this.#open.get(inner);
            if (entry !== undefined) entry.copies = copies;
            return copies;
          }),
        channelClosed: (closed) => {
          this.#open.delete(inner);
          this.#abandoned.unregister(closed);
        },
      },
      scopes,
    );
    this.#open.set(inner, { target: address, outer: new WeakRef(channel), copies: undefined });
    this.#abandoned.register(channel, inner, channel);
    return channel;
  }

  /** Those that were opened for this very target. */
  to(target: Target): readonly GraylaneChannel[] {
    const wanted = formatTarget(target);
    return [...this.#open.values()].flatMap((each) => {
      const channel = each.target === wanted ? each.outer.deref() : undefined;
      return channel === undefined ? [] : [channel];
    });
  }

  get isIdle(): boolean {
    return this.#callsInFlight.count === 0;
  }

  /**
   * Resolves when no call is in flight, at the latest after `timeoutMs`; calls that begin meanwhile are waited for too.
   */
  async drain(timeoutMs: number): Promise<void> {
    if (this.isIdle || timeoutMs <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#deps.clock.setTimer(timeoutMs, resolve);
      this.#callsInFlight.onIdle = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  close(): void {
    const reason = `graylane ${JSON.stringify(this.#deps.handle.name)} was closed: close()`;
    for (const [inner, { outer }] of [...this.#open]) {
      const channel = outer.deref();
      if (channel === undefined) inner.close();
      else channel.closeBy(reason);
    }
    this.#open.clear();
  }
}

/** Channels to one target that grpc-js would give the same subchannels. Travels as a channel option. */
interface ChannelGroup {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
  /** grpc-js may print channel options when tracing is on. */
  toJSON(): string;
}

/** Finds out which channels share their subchannels. A group is forgotten with its last channel. */
class ChannelGroups {
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

/**
 * Channel options that a client sets unless the user does. Backoff is capped so that a cured endpoint is back in
 * seconds (grpc-js waits up to two minutes). grpc-js counts what is tried elsewhere because no server took it on as attempts,
 * so its limit stands above the five that a policy may ask for. No keepalive: servers of grpc-go, grpc-java and C-core
 * end a connection that is pinged more often than every 5 minutes without sending anything, and each call on it
 * (https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md).
 */
const DEFAULT_CHANNEL_OPTIONS: ChannelOptions = {
  'grpc-node.retry_max_attempts_limit': 10,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 5_000,
};

/** Not for the user to change: grpc-js would send a target of ours to the proxy named in the environment. */
const FIXED_CHANNEL_OPTIONS: ChannelOptions = { 'grpc.enable_http_proxy': 0 };
