import type { RoutedCall } from '../attempts/routed-call';

/** Streams probe when no better call has come for so long. */
const STREAMS_ONLY_MS = 60_000;

/**
 * Does this call make a probe? A stream may be silent by nature, and an upload cannot be sent twice. A call of which nothing
 * is known is taken for a unary one.
 */
export function isProbeCall({ kind }: RoutedCall): boolean {
  return kind === 'unary' || kind === undefined;
}

/** Whether a service gets calls that make probes. Times are monotonic milliseconds. */
export class ProbeTraffic {
  #cameAtMs = Number.NEGATIVE_INFINITY;

  /** An attempt of such a call starts. */
  came(nowMs: number): void {
    this.#cameAtMs = nowMs;
  }

  /** Only streams and uploads come: one of them has to find out whether an endpoint is well, or it would never return. */
  isStreamsOnly(nowMs: number): boolean {
    return nowMs - this.#cameAtMs > STREAMS_ONLY_MS;
  }
}
