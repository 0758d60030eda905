import type { Clock } from '../../../base/clock';
import type { Random } from '../../../base/random';
import type { ChannelControlHelper, ChannelOptions } from '../../grpc/grpc-js';
import type { ChannelConnection } from './connection';
import type { ServerNames } from './server-name';
import type { SubchannelLease } from './subchannel-lease';

/** What a connection asks of the set that it belongs to, and tells it. */
export interface ConnectionDeps {
  readonly helper: ChannelControlHelper;
  /** Of the subchannel. */
  readonly options: ChannelOptions;
  readonly names: ServerNames;
  readonly clock: Clock;
  readonly random: Random;
  /** How long calls may wait for a connection. */
  readonly deadlineMs: number;
  /** How many connections an endpoint may have for calls, the first included. */
  readonly connectionsPerEndpoint: () => number;
  /** Called when something that picks depend on has changed. */
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

/** One HTTP/2 connection, as `inspect()` shows it. */
export interface SessionView {
  /** State of the connection. */
  readonly state: 'idle' | 'connecting' | 'ready' | 'transient-failure';
  /** Calls under way. */
  readonly streams: number;
  /** The most that its peer allows (SETTINGS_MAX_CONCURRENT_STREAMS); undefined: any number, or not known. */
  readonly limit: number | undefined;
  /** Its peer did not answer a ping. */
  readonly isSilent: boolean;
  /** It gets no new calls. */
  readonly isDraining: boolean;
}
