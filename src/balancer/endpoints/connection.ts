import {
  type ChannelControlHelper,
  type ChannelOptions,
  type ConnectivityStateListener,
  connectivity,
  type SubchannelInterface,
} from '../../internal/grpc';
import type { Connection, Endpoint } from './endpoint';
import { type ServerNames, underName } from './server-name';

/**
 * One channel's connection to an endpoint: the subchannel, what state it is in, and whether that state is bad. Connects
 * as soon as it is opened and again whenever grpc-js lets go, so a cured endpoint comes back without a call.
 */
export class ChannelConnection implements Connection {
  readonly endpoint: Endpoint;
  /** Number of the last list of wanted endpoints that it was in. */
  wantedIn = 0;
  readonly #helper: ChannelControlHelper;
  readonly #options: ChannelOptions;
  readonly #onChange: (connection: ChannelConnection) => void;
  readonly #listener: ConnectivityStateListener;
  #subchannel: SubchannelInterface;
  readonly #names: ServerNames;
  /** Undefined: the channel's own. */
  #serverName: string | undefined;
  /** How often connecting was begun afresh. */
  #afresh = 0;
  #state: number;
  #wasReady: boolean;
  #failure: string | undefined;
  #isClosed = false;
  #pendingSinceMs: number;
  readonly #now: () => number;

  constructor(
    endpoint: Endpoint,
    helper: ChannelControlHelper,
    options: ChannelOptions,
    names: ServerNames,
    now: () => number,
    onChange: (connection: ChannelConnection) => void,
  ) {
    this.endpoint = endpoint;
    this.#now = now;
    this.#pendingSinceMs = now();
    this.#helper = helper;
    this.#options = options;
    this.#names = names;
    this.#serverName = names.of(endpoint.instance);
    this.#onChange = onChange;
    this.#listener = (_subchannel, _previous, state, _keepalive, error) => this.#changed(state, error);
    this.#subchannel = this.#open();
    this.#state = this.#subchannel.getConnectivityState();
    this.#wasReady = this.isReady;
    if (!this.isReady) this.#subchannel.startConnecting();
  }

  get subchannel(): SubchannelInterface {
    return this.#subchannel;
  }

  /** It has been connecting since before it was given up: the first packet went lost, and nobody will send another. */
  get isHanging(): boolean {
    return this.#failure !== undefined && this.#state === connectivity.CONNECTING;
  }

  /** Begins another connection in place of one that hangs. grpc-js pools subchannels, so it must differ in an argument. */
  connectAfresh(): void {
    if (this.#isClosed || !this.isHanging) return;
    this.#afresh += 1;
    this.#replace();
  }

  /** Connects under the name that the instance bears now, where it is another one. Calls under way end where they are. */
  followName(): void {
    const name = this.#names.of(this.endpoint.instance);
    if (this.#isClosed || name === this.#serverName) return;
    this.#serverName = name;
    this.#failure = undefined;
    this.#pendingSinceMs = this.#now();
    this.#replace();
  }

  /** The `:authority` of a call for which grpc-js would send `given`. */
  authority(given: string): string {
    return given === this.#names.channelAuthority ? (this.#serverName ?? given) : given;
  }

  /** The `:authority` of calls that were given no other. */
  get defaultAuthority(): string {
    const said = this.#options['grpc.default_authority'];
    return this.#serverName ?? said ?? this.#names.channelAuthority;
  }

  #replace(): void {
    const former = this.#subchannel;
    this.#subchannel = this.#open();
    this.#drop(former);
    this.#state = this.#subchannel.getConnectivityState();
    if (!this.isReady) this.#subchannel.startConnecting();
  }

  #open(): SubchannelInterface {
    const { address, port } = this.endpoint;
    const named = underName(this.#options, this.#serverName);
    const options = this.#afresh === 0 ? named : { ...named, 'graylane.connect_afresh': this.#afresh };
    const subchannel = this.#helper.createSubchannel({ host: address, port }, options);
    subchannel.ref();
    subchannel.addConnectivityStateListener(this.#listener);
    return subchannel;
  }

  #drop(subchannel: SubchannelInterface): void {
    subchannel.removeConnectivityStateListener(this.#listener);
    subchannel.unref();
  }

  get isReady(): boolean {
    return this.#state === connectivity.READY;
  }

  /** Neither connected nor failed since: worth waiting for. */
  get isPending(): boolean {
    return !this.isReady && this.#failure === undefined;
  }

  /** Pending for the first time, so that nothing is known against it. */
  get isFirstTry(): boolean {
    return this.isPending && !this.#wasReady;
  }

  /** Why it is not connected, after a failure. */
  get failure(): string | undefined {
    return this.#failure;
  }

  get stateName(): 'idle' | 'connecting' | 'ready' | 'transient-failure' {
    if (this.isReady) return 'ready';
    if (this.#failure !== undefined) return 'transient-failure';
    return this.#state === connectivity.CONNECTING ? 'connecting' : 'idle';
  }

  /** Monotonic time since when calls could have been waiting for it. */
  get pendingSinceMs(): number {
    return this.#pendingSinceMs;
  }

  /** The connect deadline has passed: no longer worth waiting for, though grpc-js goes on trying. */
  giveUp(reason: string): void {
    if (!this.isPending || this.#isClosed) return;
    this.#failure = reason;
    this.#onChange(this);
  }

  /** Live streams run to their end; grpc-js closes the transport when nobody holds it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#drop(this.#subchannel);
  }

  reconnect(): void {
    if (!this.#isClosed && !this.isReady) this.#subchannel.startConnecting();
  }

  #changed(state: number, error: string | undefined): void {
    if (this.#isClosed) return;
    if (this.isReady) this.#pendingSinceMs = this.#now();
    this.#state = state;
    if (state === connectivity.READY) {
      this.#failure = undefined;
      this.#wasReady = true;
    } else if (state === connectivity.TRANSIENT_FAILURE) {
      this.#failure = error ?? 'connection failed';
      this.#subchannel.startConnecting();
    } else if (state === connectivity.IDLE) {
      this.#subchannel.startConnecting();
    }
    this.#onChange(this);
  }
}
