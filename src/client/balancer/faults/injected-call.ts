import type { Clock, Timer } from '../../../base/clock';
import type { Metadata, SubchannelCall, SubchannelCallListener } from '../../grpc/grpc-js';
import type { TransportStatus } from '../attempts/repeatable-call';

const UNAVAILABLE = 14;
const TIMEOUT = /^(\d{1,8})([mSMH])$/;
const UNIT_MS: Readonly<Record<string, number>> = { m: 1, S: 1_000, M: 60_000, H: 3_600_000 };
/** HTTP/2 error code of a stream that was not begun: the attempt is made elsewhere and does not count. */
const REFUSED_STREAM = 7;

/** What becomes of an attempt that a fault hits. */
export interface Injection {
  readonly delayMs: number;
  /** The status that it ends with; undefined: it begins after the delay. */
  readonly abort: { readonly code: number; readonly details: string } | undefined;
  /** Begins it at its server. May throw: its connection may be gone by then. */
  begin(): SubchannelCall;
  createMetadata(): Metadata;
}

/**
 * Stands for the transport's call of an attempt that a fault hits: ends it, or begins it later. What grpc-js asks of it
 * meanwhile is kept. A cancel, which is also what a deadline does, ends it at once.
 */
export class InjectedCall implements SubchannelCall {
  readonly #listener: SubchannelCallListener;
  readonly #injection: Injection;
  readonly #peer: string;
  readonly #number: number;
  readonly #messages: Parameters<SubchannelCall['sendMessageWithContext']>[] = [];
  #timer: Timer | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #real: SubchannelCall | undefined;
  #isReading = false;
  #isHalfClosed = false;
  #isOver = false;

  constructor(listener: SubchannelCallListener, injection: Injection, clock: Clock, peer: string, number: number) {
    this.#listener = listener;
    this.#injection = injection;
    this.#peer = peer;
    this.#number = number;
    // Never in this turn: grpc-js has not been told yet that the attempt has begun.
    if (injection.delayMs > 0) this.#timer = clock.setTimer(injection.delayMs, () => this.#due());
    else this.#immediate = setImmediate(() => this.#due());
  }

  #due(): void {
    if (this.#isOver) return;
    const { abort } = this.#injection;
    if (abort !== undefined) {
      this.#end(abort.code, abort.details);
      return;
    }
    try {
      this.#real = this.#injection.begin();
    } catch (error) {
      this.#end(UNAVAILABLE, `the connection ended before the attempt began: ${String(error)}`, REFUSED_STREAM);
      return;
    }
    if (this.#isReading) this.#real.startRead();
    for (const message of this.#messages.splice(0)) this.#real.sendMessageWithContext(...message);
    if (this.#isHalfClosed) this.#real.halfClose();
  }

  #end(code: number, details: string, rstCode?: number): void {
    this.#isOver = true;
    this.#timer?.cancel();
    clearImmediate(this.#immediate);
    const metadata = this.#injection.createMetadata();
    const status: TransportStatus = { code, details, metadata, ...(rstCode !== undefined && { rstCode }) };
    this.#listener.onReceiveStatus(status);
  }

  cancelWithStatus(code: number, details: string): void {
    if (this.#real !== undefined) {
      this.#real.cancelWithStatus(code, details);
      return;
    }
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.cancel();
    clearImmediate(this.#immediate);
    // In a later turn, as a transport does.
    setImmediate(() => this.#end(code, details));
  }

  sendMessageWithContext(...given: Parameters<SubchannelCall['sendMessageWithContext']>): void {
    if (this.#real !== undefined) this.#real.sendMessageWithContext(...given);
    else if (this.#injection.abort === undefined && !this.#isOver) this.#messages.push(given);
    // Nobody reads it; its writer must not wait.
    else setImmediate(() => given[0].callback?.());
  }

  startRead(): void {
    this.#isReading = true;
    this.#real?.startRead();
  }

  halfClose(): void {
    this.#isHalfClosed = true;
    this.#real?.halfClose();
  }

  getPeer(): string {
    return this.#real?.getPeer() ?? this.#peer;
  }

  getCallNumber(): number {
    return this.#real?.getCallNumber() ?? this.#number;
  }

  getDeadlineInfo(): string[] {
    return this.#real?.getDeadlineInfo() ?? ['held by a fault of the policy'];
  }

  getAuthContext(): ReturnType<SubchannelCall['getAuthContext']> {
    return this.#real?.getAuthContext() ?? {};
  }
}

/** Tells the server of an attempt that begins later than grpc-js thought how much time is left. */
export function shortenTimeout(metadata: Metadata, byMs: number): void {
  const [, count, unit = ''] = TIMEOUT.exec(String(metadata.get('grpc-timeout')[0] ?? '')) ?? [];
  if (count === undefined) return;
  const leftMs = Math.max(1, Math.ceil(Number(count) * (UNIT_MS[unit] ?? 1) - byMs));
  metadata.set('grpc-timeout', leftMs < 1e8 ? `${leftMs}m` : `${Math.ceil(leftMs / 1_000)}S`);
}
