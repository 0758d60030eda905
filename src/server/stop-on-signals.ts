import { consoleLogger, type Logger, safeLogger } from '../base/logger';

/** Which signals end the process, and what follows. */
export interface SignalOptions {
  /** Default: SIGTERM and SIGINT. */
  readonly signals?: readonly ('SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGQUIT' | 'SIGUSR2')[];
  /** What to close once the server is drained, such as the client that its handlers call through. */
  readonly afterwards?: () => unknown;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger;
}

type StopSignal = NonNullable<SignalOptions['signals']>[number];
type StopOne = (signal: StopSignal) => void;

/**
 * What is to be stopped, by signal: Node warns of an eleventh listener, and a process may well serve a dozen services.
 */
const waiting = new Map<StopSignal, Set<StopOne>>();

/**
 * Stops `running` (a {@link Registration}, or whatever has a `stop()`) at the first signal and lets the process end by
 * itself. Whatever else is to be stopped by that signal is stopped at the same time. A second signal does what it does
 * without this: it ends the process at once. What fails is logged and makes the exit code 1. Returns what takes it
 * back.
 */
export function stopOnSignals(
  running: { readonly stop: () => Promise<unknown> },
  options: SignalOptions = {},
): () => void {
  const { signals = ['SIGTERM', 'SIGINT'] as const, afterwards } = options;
  const logger = safeLogger(options.logger ?? consoleLogger);
  const off = (): void => {
    for (const signal of signals) remove(signal, stopOne);
  };
  const stop = async (): Promise<void> => {
    try {
      await running.stop();
      await afterwards?.();
    } catch (error) {
      process.exitCode = 1;
      logger.error('stopping failed', { reason: error instanceof Error ? error.message : String(error) });
    }
  };
  const stopOne: StopOne = (signal) => {
    off();
    logger.info('stopping', { signal });
    void stop();
  };
  for (const signal of signals) add(signal, stopOne);
  return off;
}

function add(signal: StopSignal, stop: StopOne): void {
  const stops = waiting.get(signal);
  if (stops !== undefined) {
    stops.add(stop);
    return;
  }
  waiting.set(signal, new Set([stop]));
  process.on(signal, onSignal);
}

function remove(signal: StopSignal, stop: StopOne): void {
  const stops = waiting.get(signal);
  if (stops?.delete(stop) !== true || stops.size > 0) return;
  waiting.delete(signal);
  process.off(signal, onSignal);
}

/** Each removes itself, so that no listener is left when all have stopped. */
function onSignal(name: NodeJS.Signals): void {
  const signal = name as StopSignal;
  for (const stop of [...(waiting.get(signal) ?? [])]) stop(signal);
}
