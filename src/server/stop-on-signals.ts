import { consoleLogger, type Logger, safeLogger } from '../internal/logger';

export interface SignalOptions {
  /** Default: SIGTERM and SIGINT. */
  readonly signals?: readonly ('SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGQUIT' | 'SIGUSR2')[];
  /** What to close once the server is drained, such as the lane that its handlers call through. */
  readonly afterwards?: () => unknown;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger;
}

/**
 * Stops `running` (a {@link Registration}, or whatever has a `stop()`) at the first signal and lets the process end by
 * itself. A second signal does what it does without this: it ends the process at once. What fails is logged and makes
 * the exit code 1. Returns what takes the handlers off again.
 */
export function stopOnSignals(
  running: { readonly stop: () => Promise<unknown> },
  options: SignalOptions = {},
): () => void {
  const { signals = ['SIGTERM', 'SIGINT'] as const, afterwards } = options;
  const logger = safeLogger(options.logger ?? consoleLogger);
  const off = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
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
  const onSignal = (signal: string): void => {
    off();
    logger.info('stopping', { signal });
    void stop();
  };
  for (const signal of signals) process.on(signal, onSignal);
  return off;
}
