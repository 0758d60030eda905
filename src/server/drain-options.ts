import type { OptionReader } from './option-reader';

/**
 * A server that ends when its calls have ended: a `grpc.Server` of any copy of grpc-js; a server of nice-grpc; an application
 * of NestJS with `gracefulShutdown: true` in its options, or anything else with a `close()`, which cannot be cut short.
 */
export type DrainableServer =
  | { tryShutdown(done: (error?: Error) => void): void; forceShutdown(): void }
  | { shutdown(): Promise<unknown>; forceShutdown(): void }
  | { close(): Promise<unknown> };

const WAYS_TO_END = [['tryShutdown', 'forceShutdown'], ['shutdown', 'forceShutdown'], ['close']];

/** What `HealthImplementation` of `grpc-health-check` can do. */
export interface HealthReporter {
  /** `service` is the empty string for the server as a whole. */
  setStatus(service: string, status: 'SERVING' | 'NOT_SERVING'): void;
}

/** How a server comes to its end. */
export interface DrainOptions {
  /** The server to be drained. Left out: whoever stops it does that. */
  readonly server?: DrainableServer;
  /** Told SERVING at first and NOT_SERVING before the server is drained, for the whole server and the check's service. */
  readonly health?: HealthReporter;
  /**
   * How long the server goes on as before once it has left Consul, so that every client has seen it: 0..600,000 ms.
   * Default 2,000. Clients need some 100 ms; clients that poll, or ask DNS, as long as they are allowed to remember.
   */
  readonly settleMs?: number;
  /**
   * How long calls in flight may take to end before they are cut off: 0..600,000 ms. Default 10,000. A server with nothing but a
   * `close()` is not cut off: it is no longer waited for.
   */
  readonly graceMs?: number;
}

export interface ParsedDrain {
  readonly server: DrainableServer | undefined;
  readonly health: HealthReporter | undefined;
  readonly settleMs: number;
  readonly graceMs: number;
}

export function parseDrainOptions(read: OptionReader): ParsedDrain {
  read.methods('server', ...WAYS_TO_END);
  read.methods('health', ['setStatus']);
  return {
    server: read.value('server') as DrainableServer | undefined,
    health: read.value('health') as HealthReporter | undefined,
    settleMs: read.number('settleMs', { low: 0, high: 600_000, fallback: 2_000 }) ?? 2_000,
    graceMs: read.number('graceMs', { low: 0, high: 600_000, fallback: 10_000 }) ?? 10_000,
  };
}
