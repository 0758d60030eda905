import type { AsyncResource } from 'node:async_hooks';
import type { CallCredentials } from './grpc-js';

/**
 * Call credentials that are made in the caller's async context. grpc-js makes them at the pick, in the context of another
 * caller where the call had waited for a connection: a token that is read there, from an AsyncLocalStorage, would be another
 * user's.
 */
export class CallerCredentials implements CallCredentials {
  readonly #caller: AsyncResource;
  readonly #own: CallCredentials;

  constructor(caller: AsyncResource, own: CallCredentials) {
    this.#caller = caller;
    this.#own = own;
  }

  generateMetadata(
    ...args: Parameters<CallCredentials['generateMetadata']>
  ): ReturnType<CallCredentials['generateMetadata']> {
    return this.#caller.runInAsyncScope(this.#own.generateMetadata, this.#own, ...args);
  }

  compose(others: CallCredentials): CallCredentials {
    const all = this.#own.compose(others);
    return all === this.#own ? this : new CallerCredentials(this.#caller, all);
  }

  _equals(other: CallCredentials): boolean {
    return this === other;
  }
}

const ANY: CallCredentials = {
  generateMetadata: () => Promise.reject(new Error('these call credentials only stand for any')),
  compose: () => ANY,
  _equals: (other) => other === ANY,
};

/** grpc-js' "no credentials", for which it takes a shorter way; only they give back what they are joined with. */
export function isNone(credentials: CallCredentials): boolean {
  return credentials.compose(ANY) === ANY;
}
