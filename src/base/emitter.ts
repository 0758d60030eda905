import { captureRejectionSymbol, EventEmitter } from 'node:events';
import { showError } from './shorten';

/** Ends a subscription: a function, and also `using` it. Idempotent. */
export interface Subscription {
  /** Ends the subscription. Idempotent. */
  (): void;
  /** The same as calling it, for `using`. */
  [Symbol.dispose](): void;
}

/**
 * Tells every listener of each value, synchronously and in the order of their subscriptions. A listener that throws, or
 * whose promise rejects, stops neither the other listeners nor the caller of `emit`.
 */
export class Emitter<T = void> {
  readonly #onFault: (error: unknown) => void;
  /** Replaced and never changed, so that a listener may subscribe or unsubscribe while it is called. */
  #listeners: readonly { readonly call: (value: T) => unknown }[] = [];

  /** `onFault` is told of each failure of a listener. Default: a warning of the process, once for each emitter. */
  constructor(onFault: (error: unknown) => void = warnOnce()) {
    this.#onFault = onFault;
  }

  get isEmpty(): boolean {
    return this.#listeners.length === 0;
  }

  /** The same function may subscribe twice, and is then called twice. */
  subscribe(listener: (value: T) => unknown): Subscription {
    const entry = { call: listener };
    this.#listeners = [...this.#listeners, entry];
    return subscription(() => {
      this.#listeners = this.#listeners.filter((each) => each !== entry);
    });
  }

  emit(value: T): void {
    for (const listener of this.#listeners) settled(() => listener.call(value), this.#onFault);
  }

  clear(): void {
    this.#listeners = [];
  }
}

export function subscription(stop: () => void): Subscription {
  return Object.assign(stop, { [Symbol.dispose]: stop });
}

/** Runs `work`, and tells of what it throws or what its promise rejects with. Never throws. */
export function settled(work: () => unknown, onFault: (error: unknown) => void): void {
  try {
    const returned = work();
    if (typeof returned !== 'object' || returned === null || !('then' in returned)) return;
    // Anything may be wrong with a foreign thenable; a promise of our own takes it all in.
    Promise.resolve(returned).catch(onFault);
  } catch (error) {
    onFault(error);
  }
}

/** Lets listeners that are async functions end in `onFault`, like those that throw. Listeners already there stay. */
export function captureRejections(emitter: EventEmitter, onFault: (error: unknown) => void): void {
  // What `new EventEmitter({ captureRejections: true })` does, for one that a library makes.
  (EventEmitter as unknown as { init: (options: object) => void }).init.call(emitter, { captureRejections: true });
  Object.defineProperty(emitter, captureRejectionSymbol, { value: onFault });
}

function warnOnce(): (error: unknown) => void {
  let isReported = false;
  return (error) => {
    if (isReported) return;
    isReported = true;
    process.emitWarning(`a listener inside graylane failed: ${showError(error)}`, 'GraylaneWarning');
  };
}
