import { settled } from './emitter';
import { showError } from './shorten';

/**
 * Where the library says what an operator should know. Called rarely (changes of state, never per call) and with plain,
 * secret-free fields. A logger that throws, or whose promise rejects, is reported once and otherwise ignored.
 */
export interface Logger {
  /** Details for who develops. */
  debug(message: string, fields?: LogFields): void;
  /** What changed. */
  info(message: string, fields?: LogFields): void;
  /** What needs a look, while calls go on. */
  warn(message: string, fields?: LogFields): void;
  /** What does not work. */
  error(message: string, fields?: LogFields): void;
}

/** Pino's shape, and that of what is derived from it (Fastify's `request.log`): fields come first. */
export interface PinoLogger {
  /** As pino's. */
  debug(fields: object, message?: string): void;
  /** As pino's. */
  info(fields: object, message?: string): void;
  /** As pino's. */
  warn(fields: object, message?: string): void;
  /** As pino's. */
  error(fields: object, message?: string): void;
  /** By these two a pino is told apart from loggers that take the message first. */
  child(bindings: object): unknown;
  /** As pino's. */
  bindings(): object;
}

/** Facts beside a message. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Warnings and errors to standard error, one line each; the rest is dropped. */
export const consoleLogger: Logger = {
  debug() {},
  info() {},
  warn: (message, fields) => console.warn(line('warn', message, fields)),
  error: (message, fields) => console.error(line('error', message, fields)),
};

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A logger of either shape as one that takes the message first. */
export function toLogger(given: Logger | PinoLogger): Logger {
  if (!isPino(given)) return given;
  const at =
    (level: keyof Logger) =>
    (message: string, fields: LogFields = {}): void =>
      given[level](fields, message);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function isPino(given: Logger | PinoLogger): given is PinoLogger {
  return 'bindings' in given && typeof given.bindings === 'function' && typeof given.child === 'function';
}

/**
 * Wraps a user's logger so that a fault in it never reaches a call or a watch, whether it throws or its promise
 * rejects. Told once, as a warning of the process: the log is what is broken.
 */
export function safeLogger(logger: Logger): Logger {
  let isReported = false;
  const tell = (error: unknown): void => {
    if (isReported) return;
    isReported = true;
    // Without what it says: that may be the line, or anything else.
    const kind = error instanceof Error ? error.name : typeof error;
    process.emitWarning(`the logger given to graylane failed (${kind}); log lines are lost`, 'GraylaneWarning');
  };
  const guard =
    (level: keyof Logger) =>
    (message: string, fields?: LogFields): void =>
      settled(() => logger[level](message, fields), tell);
  return { debug: guard('debug'), info: guard('info'), warn: guard('warn'), error: guard('error') };
}

function line(level: string, message: string, fields?: LogFields): string {
  const pairs = Object.entries(fields ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  return `graylane ${level}: ${message}${pairs.join('')}`;
}

/** What a user's function does wrong is told in these words, each once for each logger. */
type ListenerKind = 'decision' | 'breakers' | 'observe' | 'criticalityOf';

const loggedKinds = new WeakMap<object, Set<string>>();

/**
 * Calls what a user has handed in to hear of something. Whether it throws or its promise rejects: told once in the log,
 * and nothing else comes of it, neither for the call under way nor, as an unhandled rejection, for the process.
 */
export function callListener<T>(listener: (value: T) => unknown, value: T, kind: ListenerKind, logger: Logger): void {
  settled(
    () => listener(value),
    (error) => tellListenerFault(error, kind, logger),
  );
}

/** The same of a fault that came by another way, such as from an emitter of opossum's. */
export function tellListenerFault(error: unknown, kind: ListenerKind, logger: Logger): void {
  let kinds = loggedKinds.get(logger);
  if (kinds === undefined) {
    kinds = new Set();
    loggedKinds.set(logger, kinds);
  }
  if (kinds.has(kind)) return;
  kinds.add(kind);
  logger.error(`a listener failed (${kind}); further failures of such listeners are not told`, {
    error: showError(error),
  });
}
