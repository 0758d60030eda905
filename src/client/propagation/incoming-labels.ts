import { COOKIE_PREFIX, cookieValues, isCookieKey } from '../../policy/cookie';
import type { AcceptRules } from './accept';
import { readBaggage } from './baggage';
import type { ServedCall } from './served-call';

/** What the copy of a call bears, with the name of the route that is mirrored. */
export const MIRROR_KEY = 'x-graylane-mirror';

/** The metadata or headers of a caller, by lower-case key: one value, or several when the key came more than once. */
export interface SentValues {
  values(key: string): readonly (string | Buffer)[];
}

/** Runs a function in the context that was prepared. Called for each callback of a call. */
export type ContextRunner = <T>(fn: () => T) => T;

/** The async contexts of a client, as its interceptors and middleware use them. */
export interface IncomingContexts {
  /** Labels also travel as W3C baggage. */
  readonly usesBaggage: boolean;
  readonly incoming: IncomingLabels;
  /**
   * Prepares the async context of one incoming call: these labels, and nothing of the context that the server was
   * started in. Called in the context in which the call arrived. `served`: the deadline for calls made in it; undefined
   * for HTTP. `isCopy`: the call is a copy, and none is made of calls in that context.
   */
  prepare(labels: Readonly<Record<string, string>>, served: ServedCall | undefined, isCopy: boolean): ContextRunner;
}

/** The longest value that policies match; all values together as much as W3C allows baggage. */
const LONGEST_VALUE = 1_024;
const MOST_CHARACTERS = 8_192;
const PRINTABLE = /^[ -~]*$/;

/**
 * Reads the labels that a server accepts from what its caller sent. A key sent twice, a value that is no plain text,
 * and too much of everything are refused: without an error, counted by key, and never quoted.
 */
export class IncomingLabels {
  readonly #refused = new Map<string, number>();

  /** How often the value of an accepted key was refused. Only keys that some `accept` names. */
  get refused(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#refused);
  }

  /** Labels of the caller; with `useBaggage` those of its baggage too, after its metadata or headers. */
  read(rules: AcceptRules, sent: SentValues, useBaggage: boolean): Record<string, string> {
    const labels: Record<string, string> = {};
    let characters = 0;
    const baggage = useBaggage ? readBaggage(sent.values('baggage'), rules.keys) : undefined;
    for (const key of rules.keys) {
      const isCookie = isCookieKey(key);
      const own = isCookie ? cookieValues(sent.values('cookie'), key) : sent.values(key);
      const value = own.length > 0 ? single(own) : baggage?.get(key);
      if (value === undefined && own.length === 0) continue;
      if (typeof value !== 'string' || !isLabelValue(value)) {
        this.#refuse(key);
        continue;
      }
      characters += key.length + value.length;
      if (characters > MOST_CHARACTERS) {
        for (const each of [...Object.keys(labels), key]) this.#refuse(each);
        return {};
      }
      // A cookie travels on as one, with the others that are accepted.
      if (isCookie) labels['cookie'] = joined(labels['cookie'], `${key.slice(COOKIE_PREFIX.length)}=${value}`);
      else Object.defineProperty(labels, key, { value, enumerable: true, writable: true, configurable: true });
    }
    return labels;
  }

  #refuse(key: string): void {
    this.#refused.set(key, (this.#refused.get(key) ?? 0) + 1);
  }
}

function joined(cookies: string | undefined, cookie: string): string {
  return cookies === undefined ? cookie : `${cookies}; ${cookie}`;
}

function single(values: readonly (string | Buffer)[]): string | undefined {
  const [value] = values;
  return values.length === 1 && typeof value === 'string' ? value : undefined;
}

/** HTTP joins values that were sent twice by a comma, and which of them was meant cannot be known. */
function isLabelValue(value: string): boolean {
  return value.length <= LONGEST_VALUE && PRINTABLE.test(value) && !value.includes(',');
}
