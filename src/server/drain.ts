import { setTimeout as pause } from 'node:timers/promises';
import { type DrainableServer, type DrainOptions, type ParsedDrain, parseDrainOptions } from './drain-options';
import { OptionReader } from './option-reader';

/** How draining ended. */
export interface DrainReport {
  /** False: calls were still in flight when the grace was over, and were cut off. */
  readonly drained: boolean;
}

/**
 * Brings a server to its end where somebody else takes it out of Consul first: goes on for `settleMs`, reports NOT_SERVING,
 * takes no new calls, and waits up to `graceMs` for those in flight. Throws INVALID_OPTION before anything happens.
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
