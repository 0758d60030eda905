import type { AsyncResource } from 'node:async_hooks';
import type { CallCredentials } from '../internal/grpc';

/**
 * Call credentials that are made in the caller's async context. grpc-js makes them at the pick, in the context of another
 * caller where the call had waited for a connection: a token that is read there, from an AsyncLocalStorage, would be another
 * user's. grpc-js joins them with those of the channel at each pick, so that they stand for both.
 */
export class CallerCredentials implements CallCredentials {
  readonly #caller: AsyncResource;
  readonly #own: CallCredentials | undefined;

  /** `own`: those of the call; undefined for none. */
  constructor(caller: AsyncResource, own: CallCredentials | undefined) {
    this.#caller = caller;
    this.#own = own;
  }

  async generateMetadata(
    ...args: Parameters<CallCredentials['generateMetadata']>
  ): ReturnType<CallCredentials['generateMetadata']> {
    const own = this.#own;
    if (own === undefined)
      throw new Error('call credentials: asked for before they were joined with those of a channel');
    return this.#caller.runInAsyncScope(own.generateMetadata, own, ...args);
  }

  compose(others: CallCredentials): CallCredentials {
    const all = this.#own === undefined ? others : this.#own.compose(others);
    // With none at all grpc-js takes a shorter way. Only none gives back what it is joined with.
    return all.compose(this) === this ? all : new CallerCredentials(this.#caller, all);
  }

  _equals(other: CallCredentials): boolean {
    return this === other;
  }
}
