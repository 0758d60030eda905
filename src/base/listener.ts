import { captureRejectionSymbol, EventEmitter } from 'node:events';
import type { Logger } from './logger';

/** What a user's function does wrong is told in these words, each once for each logger. */
export type ListenerKind = 'decision' | 'breakers' | 'observe';

const told = new WeakMap<object, Set<string>>();

/**
 * Calls what a user has handed in to hear of something. Whether it throws or its promise rejects: told once in the log, and
 * nothing else comes of it, neither for the call under way nor, as an unhandled rejection, for the process.
 */
export function callListener<T>(listener: (value: T) => unknown, value: T, kind: ListenerKind, logger: Logger): void {
  settled(
    () => listener(value),
    (error) => tellListenerFault(error, kind, logger),
  );
}

/** The same of a fault that came by another way, such as from an emitter of opossum's. */
export function tellListenerFault(error: unknown, kind: ListenerKind, logger: Logger): void {
  let kinds = told.get(logger);
  if (kinds === undefined) {
    kinds = new Set();
    told.set(logger, kinds);
  }
  if (kinds.has(kind)) return;
  kinds.add(kind);
  logger.error(`a listener failed (${kind}); further failures of such listeners are not told`, {
    error: textOf(error),
  });
}

/** Runs `work`, and tells of what it throws or what its promise rejects with. Never throws. */
export function settled(work: () => unknown, tell: (error: unknown) => void): void {
  try {
    const returned = work();
    if (typeof returned !== 'object' || returned === null || !('then' in returned)) return;
    // Of a foreign thenable anything may be wrong; a promise of our own takes it all in.
    Promise.resolve(returned).catch(tell);
  } catch (error) {
    tell(error);
  }
}

/** Has listeners that are async functions end in `tell`, like those that throw. Those that are there stay. */
export function captureRejections(emitter: EventEmitter, tell: (error: unknown) => void): void {
  // What `new EventEmitter({ captureRejections: true })` does, for one that a library makes.
  (EventEmitter as unknown as { init: (options: object) => void }).init.call(emitter, { captureRejections: true });
  Object.defineProperty(emitter, captureRejectionSymbol, { value: tell });
}

function textOf(error: unknown): string {
  try {
    return String(error).slice(0, 300);
  } catch {
    return 'of a kind that cannot be shown';
  }
}
