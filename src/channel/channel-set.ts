import { GraylaneError } from '../errors';
import type { Clock } from '../internal/clock';
import { type ChannelCredentials, type ChannelOptions, type GrpcModule, LANE_OPTION } from '../internal/grpc';
import type { LaneHandle } from '../resolver/lanes';
import { formatTarget, type Target } from '../resolver/target';
import type { CallScopes } from './call-scope';
import { GraylaneChannel } from './channel';
import { DEFAULT_CHANNEL_OPTIONS, FIXED_CHANNEL_OPTIONS } from './default-options';
import { KnownMethods } from './known-methods';

export interface ChannelSetDeps {
  readonly grpc: GrpcModule;
  readonly handle: LaneHandle;
  readonly clock: Clock;
  readonly scopes: CallScopes;
  readonly staticLabels: Readonly<Record<string, string>>;
}

/** The open channels of one lane, and how many of their calls are in flight. */
export class ChannelSet {
  /** Of all services; clients teach it through their options. */
  readonly knownMethods: KnownMethods = new KnownMethods();
  readonly #deps: ChannelSetDeps;
  readonly #targets = new Map<GraylaneChannel, string>();
  #callsInFlight = 0;
  #whenIdle: (() => void) | undefined;

  constructor(deps: ChannelSetDeps) {
    this.#deps = deps;
  }

  /** Throws GRPC_MISMATCH for credentials of another copy of grpc-js, and what the lane throws for the target. */
  open(target: Target, credentials: ChannelCredentials, options: ChannelOptions): GraylaneChannel {
    const { grpc, handle, clock, scopes, staticLabels } = this.#deps;
    // Before grpc-js sees the target: what is wrong with it, or with its policy mode, is told in our words.
    const { telemetry } = handle.service(target);
    if (!(credentials instanceof grpc.ChannelCredentials)) {
      throw new GraylaneError(
        'GRPC_MISMATCH',
        'credentials: made by another copy of @grpc/grpc-js (expected: the copy that graylane uses). ' +
          'Run "npm ls @grpc/grpc-js"; then dedupe, or hand your copy in: createGraylane({ grpc })',
      );
    }
    const inner = new grpc.Channel(formatTarget(target), credentials, {
      ...DEFAULT_CHANNEL_OPTIONS,
      ...options,
      ...FIXED_CHANNEL_OPTIONS,
      [LANE_OPTION]: handle,
    });
    const channel: GraylaneChannel = new GraylaneChannel(
      inner,
      {
        service: target.service,
        clock,
        staticLabels,
        telemetry,
        knownMethods: this.knownMethods,
        callStarted: () => {
          this.#callsInFlight += 1;
        },
        callEnded: () => {
          this.#callsInFlight -= 1;
          if (this.#callsInFlight === 0) this.#whenIdle?.();
        },
        channelClosed: (closed) => this.#targets.delete(closed),
      },
      scopes,
    );
    this.#targets.set(channel, formatTarget(target));
    return channel;
  }

  /** Those that were opened for this very target. */
  to(target: Target): readonly GraylaneChannel[] {
    const wanted = formatTarget(target);
    return [...this.#targets].filter(([, opened]) => opened === wanted).map(([channel]) => channel);
  }

  get isIdle(): boolean {
    return this.#callsInFlight === 0;
  }

  /** Resolves when no call is in flight, at the latest after `timeoutMs`; calls that begin meanwhile are waited for too. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.isIdle || timeoutMs <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#deps.clock.setTimer(timeoutMs, resolve);
      this.#whenIdle = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  close(): void {
    for (const channel of [...this.#targets.keys()]) channel.close();
  }
}
