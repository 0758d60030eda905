import type { Clock } from '../../../base/clock';
import type { Random } from '../../../base/random';
import {
  type ChannelControlHelper,
  type ChannelOptions,
  type ConnectivityStateListener,
  connectivity,
  type SubchannelInterface,
} from '../../grpc/grpc-js';
import { connectionFailure, EmptySessions } from './connection-failure';
import type { Connection, Endpoint } from './endpoint';
import { FurtherConnections } from './further-connections';
import { serverNameOf, underName } from './server-name';
import { type LeaseHolder, type SessionView, SubchannelLease } from './subchannel-lease';

/** What a connection asks of the set that it belongs to, and tells it. */
export interface ConnectionOwner {
  readonly helper: ChannelControlHelper;
  readonly options: ChannelOptions;
  readonly service: string;
  readonly authorityMetaKey: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** How long calls may wait for a connection. */
  readonly deadlineMs: number;
  /** How many connections an endpoint may have for calls, the first included. */
  readonly connectionsPerEndpoint: number;
  /** Something that picks depend on has changed. */
  onChange(connection: ChannelConnection): void;
  /** It was left, and its last attempt has ended. */
  onDrained(connection: ChannelConnection): void;
  /** Calls wait for a further connection, or for a place on one. */
  onAwaited(): void;
  /** It was full, and is not any more. */
  onFreed(connection: ChannelConnection): void;
  /** Its first connection was silent, and is not any more. */
  onAnsweringAgain(connection: ChannelConnection): void;
  /** A fresh connection has taken the place of a silent one, on which calls may still be running. */
  onReplaced(connection: ChannelConnection, former: SubchannelLease): void;
}

/**
 * One channel's connection to an endpoint: the subchannel, what state it is in, and whether that state is bad. Connects
 * as soon as it is opened and again whenever grpc-js lets go, so a cured endpoint comes back without a call.
 *
 * When calls may use it, wait for it, or must not (`isReady`, `isPending`, `failure`), beside grpc-js 1.14. There,
 * `pick_first` and each child of `round_robin` are in TRANSIENT_FAILURE from the first failure until READY, whatever
 * the subchannel does:
 *
 * | subchannel                                       | grpc-js            | here                                        |
 * | ------------------------------------------------ | ------------------ | ------------------------------------------- |
 * | IDLE or CONNECTING, never failed                 | calls wait         | pending until the connect deadline          |
 * | READY                                            | used               | ready                                       |
 * | READY lost (closed or GOAWAY), IDLE, CONNECTING  | calls wait         | pending until the connect deadline          |
 * | TRANSIENT_FAILURE                                | calls fail at once | failed                                      |
 * | CONNECTING after TRANSIENT_FAILURE               | calls fail at once | failed                                      |
 * | hangs in CONNECTING                              | calls wait         | failed from the connect deadline on         |
 * | READY lost twice in a row without an answer      | calls wait         | the same as hanging; redialled by a backoff |
 *
 * A call fails when that holds for all connections it may use; with `waitForReady` it waits.
 */
export class ChannelConnection implements Connection, LeaseHolder {
  readonly endpoint: Endpoint;
  /** Number of the last list of wanted endpoints that it was in. */
  wantedIn = 0;
  /** Why it is not connected, after a failure. */
  failure: string | undefined;
  /** Monotonic time since when calls could have been waiting for it. */
  pendingSinceMs: number;
  /** Picks since the last tick whose attempts have not started. */
  offered = 0;
  readonly #owner: ConnectionOwner;
  /** Of the first connection; all others are there to help it out. */
  #lease: SubchannelLease;
  /** Undefined until one was needed. */
  #further: FurtherConnections | undefined;
  /** As of the last tick. */
  #wasSilent = false;
  /** Further connections that were ever opened. */
  #opened = 0;
  /** Leases that are not released yet, those in use included. */
  readonly #leases = new Set<SubchannelLease>();
  /** Undefined: the channel's own. */
  #serverName: string | undefined;
  /** How often connecting was begun afresh. */
  #afresh = 0;
  /** That of the subchannel. */
  #state: number = connectivity.IDLE;
  #wasReady: boolean;
  #isClosed = false;
  readonly #emptySessions: EmptySessions;

  constructor(endpoint: Endpoint, owner: ConnectionOwner) {
    this.endpoint = endpoint;
    this.#owner = owner;
    this.pendingSinceMs = owner.clock.now();
    this.#serverName = serverNameOf(endpoint.instance, owner);
    this.#emptySessions = new EmptySessions(owner.options, owner.clock, owner.random);
    this.#lease = this.#open();
    this.#adoptState();
    this.#wasReady = this.isReady;
  }

  /** What the next attempt is started over. */
  get lease(): SubchannelLease {
    const first = this.#lease;
    return this.#further === undefined || first.room > 0 ? first : this.#further.roomiest(first);
  }

  /** Every place that its peer allows is taken, or promised to a pick. */
  get isFull(): boolean {
    const first = this.#lease;
    if (first.streams + this.offered < first.watch.limit) return false;
    return Math.max(0, first.room) + (this.#further?.room ?? 0) <= this.offered;
  }

  /** The HTTP/2 connections that are there now. */
  get sessions(): readonly SessionView[] {
    const isUsed = (lease: SubchannelLease) => lease === this.#lease || this.#further?.has(lease) === true;
    return [...this.#leases].map((lease) => lease.view(!this.#isClosed && isUsed(lease)));
  }

  get subchannel(): SubchannelInterface {
    return this.#lease.subchannel;
  }

  /** It has been connecting since before it was given up: the first packet went lost, and nobody will send another. */
  get isHanging(): boolean {
    return this.failure !== undefined && this.#state === connectivity.CONNECTING;
  }

  /** Begins another connection in place of one that hangs. */
  connectAfresh(): void {
    if (this.#isClosed || !this.isHanging) return;
    this.#afresh += 1;
    this.#replace();
  }

  /** Connects under the name that the instance bears now. Calls under way end where they are. */
  followName(): void {
    const name = serverNameOf(this.endpoint.instance, this.#owner);
    if (this.#isClosed || name === this.#serverName) return;
    this.#serverName = name;
    this.failure = undefined;
    this.pendingSinceMs = this.#owner.clock.now();
    this.#emptySessions.forget();
    this.#replace();
  }

  /** The `:authority` of a call for which grpc-js would send `given`. */
  authority(given: string): string {
    return given === this.#owner.service ? (this.#serverName ?? given) : given;
  }

  /** The `:authority` of calls that were given no other. */
  get defaultAuthority(): string {
    return this.#serverName ?? this.#owner.options['grpc.default_authority'] ?? this.#owner.service;
  }

  get isReady(): boolean {
    return this.#state === connectivity.READY && !this.#emptySessions.isOnTrial && !this.#isClosed;
  }

  /** READY at this moment, be it for how short a time: better than to refuse a call. */
  get isConnected(): boolean {
    return this.#state === connectivity.READY && !this.#isClosed;
  }

  /** Neither connected nor failed since: worth waiting for. */
  get isPending(): boolean {
    return !this.isReady && this.failure === undefined && !this.#isClosed;
  }

  /** Pending for the first time, so that nothing is known against it. */
  get isFirstTry(): boolean {
    return this.isPending && !this.#wasReady;
  }

  get stateName(): 'idle' | 'connecting' | 'ready' | 'transient-failure' {
    if (this.isReady) return 'ready';
    if (this.failure !== undefined) return 'transient-failure';
    return this.#state === connectivity.CONNECTING ? 'connecting' : 'idle';
  }

  /** The connect deadline has passed: no longer worth waiting for, though grpc-js goes on trying. */
  giveUp(reason: string): void {
    if (!this.isPending) return;
    this.failure = this.#emptySessions.isFailing ? this.#emptySessions.reason : reason;
    this.#owner.onChange(this);
  }

  /**
   * No call is picked for it any more, and it is not connected again. Its subchannel is held until the calls on it have
   * ended; then `onDrained` is called, perhaps at once.
   */
  leave(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#emptySessions.stop();
    this.#further?.leave();
    this.#lease.leave();
  }

  /** The endpoint is back before the calls on it have ended. */
  resume(): void {
    if (!this.#isClosed) return;
    this.#isClosed = false;
    this.pendingSinceMs = this.#owner.clock.now();
    this.failure = undefined;
    if (!this.#lease.resume()) this.#lease = this.#open();
    this.#adoptState();
  }

  /**
   * The channel needs it no more. Calls run to their end: without pings grpc-js closes the session as soon as they have
   * ended; with pings the subchannel is held until then.
   */
  close(): void {
    this.leave();
    for (const lease of [...this.#leases]) if (!lease.sendsPings) lease.letGo();
  }

  /** Connects now, unless a backoff says when. */
  reconnect(): void {
    if (!this.#isClosed && !this.isConnected && !this.#emptySessions.isWaiting) this.subchannel.startConnecting();
  }

  /** The registry says that its node has failed: pings its peer. `onProof`: the peer has answered. */
  prove(onProof: () => void): void {
    if (this.isConnected) this.#lease.watch.prove(this.#owner.clock.now(), onProof);
  }

  /** It is full: asks for a further connection. True: one is on its way, and calls may wait for it. */
  widen(): boolean {
    const further = this.#furtherOnes();
    if (1 + further.ready.length >= this.#owner.connectionsPerEndpoint) return false;
    further.dial();
    if (!further.isPending) return false;
    this.#owner.onAwaited();
    return true;
  }

  /** On each tick of the endpoint's statistics that came in time. */
  look(nowMs: number): void {
    this.offered = 0;
    if (this.#state !== connectivity.READY || this.#isClosed) return;
    const { isSuspect } = this.endpoint.load;
    this.#lease.watch.look(nowMs, isSuspect);
    this.#further?.look(nowMs, isSuspect);
    const wasSilent = this.#wasSilent;
    this.#wasSilent = this.#lease.watch.isSilent;
    if (this.#wasSilent) this.#replaceSilent();
    else if (wasSilent) {
      this.#further?.letGoIdle();
      this.#owner.onAnsweringAgain(this);
    } else if (this.#further?.isPending === false) this.#further.hangUp();
  }

  /** Called now and then: lets go of further connections that are not needed. True: it has some. */
  letGoUnused(): boolean {
    this.#further?.letGoUnused(this.#lease.room <= 0);
    return this.#further !== undefined && this.#further.ready.length > 0;
  }

  // LeaseHolder
  placeFreed(): void {
    this.#owner.onFreed(this);
  }

  answered(): void {
    this.#emptySessions.forget();
    if (this.#emptySessions.isOnTrial) this.#believe();
  }

  released(lease: SubchannelLease): void {
    this.#leases.delete(lease);
    if (this.#isClosed && this.#leases.size === 0) this.#owner.onDrained(this);
  }

  /** grpc-js pools subchannels: another connection to the same address must differ in an argument. */
  #open(more: ChannelOptions = this.#afresh === 0 ? {} : { 'graylane.connect_afresh': this.#afresh }): SubchannelLease {
    const { helper, options: given } = this.#owner;
    const { address, port } = this.endpoint;
    const options = { ...underName(given, this.#serverName), ...more };
    const subchannel = helper.createSubchannel({ host: address, port }, options);
    const listener: ConnectivityStateListener = (_subchannel, _previous, state, _keepalive, error) => {
      if (lease === this.#lease) this.#changed(state, error);
      else this.#further?.stateChanged(lease, state);
    };
    const lease = new SubchannelLease(subchannel, options, listener, this);
    this.#leases.add(lease);
    return lease;
  }

  #furtherOnes(): FurtherConnections {
    const { clock, deadlineMs, options, random } = this.#owner;
    this.#further ??= new FurtherConnections(
      clock,
      deadlineMs,
      new EmptySessions(options, clock, random),
      () => this.#open({ 'graylane.further_connection': ++this.#opened }),
      () => this.#owner.onChange(this),
    );
    return this.#further;
  }

  /** The peer does not answer on the first connection: new calls go over a fresh one as soon as there is one. */
  #replaceSilent(): void {
    const further = this.#furtherOnes();
    const former = this.#lease;
    if (!this.#moveToFurther(false)) {
      if (further.ready.length === 0) further.dial();
      return;
    }
    former.watch.isReplaced = true;
    this.#wasSilent = false;
    this.#owner.onReplaced(this, former);
  }

  /** A further connection becomes the first. */
  #moveToFurther(isLost: boolean): boolean {
    const fresh = this.#further?.take(isLost);
    if (fresh === undefined) return false;
    const former = this.#lease;
    this.#emptySessions.stop();
    // The pool still has the former subchannel: it must not be taken for a new one.
    this.#afresh += 1;
    this.#lease = fresh;
    this.failure = undefined;
    this.#state = connectivity.READY;
    this.endpoint.load.proven();
    former.leave();
    this.#owner.onChange(this);
    return true;
  }

  #replace(): void {
    const former = this.#lease;
    this.#emptySessions.stop();
    this.#further?.leave();
    this.#lease = this.#open();
    former.leave();
    this.#adoptState();
  }

  /** Takes over the state of a subchannel that nobody here has listened to until now. */
  #adoptState(): void {
    this.#state = this.subchannel.getConnectivityState();
    if (this.#state === connectivity.READY) this.#lease.sessionBegan(this.#owner.clock.now());
    else this.subchannel.startConnecting();
  }

  #changed(state: number, error: string | undefined): void {
    if (this.#isClosed) return;
    if (this.#state === connectivity.READY) {
      if (this.#moveToFurther(true)) return;
      this.#lost();
    }
    this.#state = state;
    if (state === connectivity.READY) {
      this.#connected();
      return;
    }
    if (state === connectivity.TRANSIENT_FAILURE) this.failure = connectionFailure(error);
    if (state !== connectivity.CONNECTING) this.reconnect();
    this.#owner.onChange(this);
  }

  #connected(): void {
    this.#emptySessions.stop();
    this.endpoint.load.proven();
    this.#lease.sessionBegan(this.#owner.clock.now());
    if (!this.#emptySessions.isFailing) this.#believe();
    else {
      this.#emptySessions.beginTrial(() => this.#believe());
      this.#owner.onChange(this);
    }
  }

  #believe(): void {
    this.#emptySessions.stop();
    this.failure = undefined;
    this.#wasReady = true;
    this.#owner.onChange(this);
  }

  /** The session is over; grpc-js would begin another one at once. */
  #lost(): void {
    const now = this.#owner.clock.now();
    this.#further?.hangUp();
    this.#emptySessions.sessionEnded(this.#lease.unansweredMs(now));
    if (!this.#emptySessions.isFailing) {
      this.pendingSinceMs = now;
      return;
    }
    // Calls wait for a server that renews its connections in a hurry, until the connect deadline is over.
    if (this.failure !== undefined) this.failure = this.#emptySessions.reason;
    this.#emptySessions.beginWaiting(() => this.reconnect());
  }
}
