import { setTimeout as pause } from 'node:timers/promises';
import { OptionReader } from '../base/option-reader';

/** How draining ended. */
export interface DrainReport {
  /** False: calls were still in flight when the grace was over, and were cut off. */
  readonly drained: boolean;
}

/**
 * Brings a server to its end where other code takes it out of Consul first: goes on for `settleMs`, reports
 * NOT_SERVING, takes no new calls, and waits up to `graceMs` for those in flight. Throws INVALID_OPTION before anything
 * happens.
 */
export function drainServer(options: DrainOptions): Promise<DrainReport> {
  const read = new OptionReader(options, 'drain', ['server', 'health', 'settleMs', 'graceMs']);
  const parsed = parseDrainOptions(read);
  read.throwProblems();
  return drain(parsed, ['']);
}

/** `services`: what the health service calls this server. */
export async function drain(options: ParsedDrain, services: readonly string[]): Promise<DrainReport> {
  await pause(options.settleMs);
  for (const service of services) options.health?.setStatus(service, 'NOT_SERVING');
  return { drained: options.server === undefined || (await shutDown(options.server, options.graceMs)) };
}

/** False when calls had to be cut off. */
function shutDown(server: DrainableServer, graceMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      if ('forceShutdown' in server) server.forceShutdown();
      resolve(false);
    }, graceMs);
    const ended = (isDrained: boolean): void => {
      clearTimeout(timer);
      resolve(isDrained);
    };
    if ('tryShutdown' in server) server.tryShutdown(() => ended(true));
    else {
      const ending = 'shutdown' in server ? server.shutdown() : server.close();
      ending.then(
        () => ended(true),
        () => ended(false),
      );
    }
  });
}

/**
 * A server that ends when its calls have ended: a `grpc.Server` of any copy of grpc-js; a server of nice-grpc; an
 * application of NestJS with `gracefulShutdown: true` in its options, or anything else with a `close()`, which cannot
 * be cut short.
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
  /** The server to be drained. Left out: the caller drains it. */
  readonly server?: DrainableServer;
  /**
   * Told SERVING at first and NOT_SERVING before the server is drained, for the whole server and the check's service.
   */
  readonly health?: HealthReporter;
  /**
   * How long the server goes on as before once it has left Consul, so that every client has seen it: 0..600,000 ms.
   * Default 2,000. Clients need some 100 ms; clients that poll, or ask DNS, as long as they are allowed to remember.
   */
  readonly settleMs?: number;
  /**
   * How long calls in flight may take to end before they are cut off: 0..600,000 ms. Default 10,000. A server with
   * nothing but a `close()` is not cut off: it is no longer waited for.
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
    settleMs: read.number('settleMs', { low: 0, high: 600_000, fallback: 2_000 }),
    graceMs: read.number('graceMs', { low: 0, high: 600_000, fallback: 10_000 }),
  };
}
