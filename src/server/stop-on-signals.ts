import { Emitter } from '../base/emitter';
import { consoleLogger, type Logger, safeLogger } from '../base/logger';
import { showError } from '../base/shorten';

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

/**
 * Told of each signal that stops something. One listener of the process serves all: Node warns of an eleventh, and a
 * process may well serve a dozen services.
 */
const stopping = new Map<StopSignal, Emitter>();

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
    for (const unsubscribe of subscriptions) unsubscribe();
  };
  const stop = async (): Promise<void> => {
    try {
      await running.stop();
      await afterwards?.();
    } catch (error) {
      process.exitCode = 1;
      logger.error('stopping failed', { reason: showError(error) });
    }
  };
  const subscriptions = [...new Set(signals)].map((signal) =>
    subscribe(signal, () => {
      off();
      logger.info('stopping', { signal });
      void stop();
    }),
  );
  return off;
}

/** Returns what ends the subscription; the last one to end leaves the signal to the process. */
function subscribe(signal: StopSignal, stop: () => void): () => void {
  const emitter = stopping.get(signal) ?? new Emitter();
  if (emitter.isEmpty) process.on(signal, onSignal);
  stopping.set(signal, emitter);
  const unsubscribe = emitter.subscribe(stop);
  return () => {
    unsubscribe();
    if (emitter.isEmpty) process.off(signal, onSignal);
  };
}

function onSignal(signal: NodeJS.Signals): void {
  stopping.get(signal as StopSignal)?.emit();
}
