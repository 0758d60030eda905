import type { AcceptRules } from './accept';
import { readBaggage } from './baggage';

/** What a caller sent, by lower-case key: one value, or several when the key came more than once. */
export interface Sent {
  values(key: string): readonly (string | Buffer)[];
}

/** One value may be as long as policies match at all; all together as much as W3C allows baggage. */
const LONGEST_VALUE = 1_024;
const MOST_CHARACTERS = 8_192;
const PRINTABLE = /^[ -~]*$/;

/**
 * Takes the labels that a server accepts out of what its caller sent. What cannot be believed (a key sent twice, a value
 * that is no plain text, too much of it) is left behind without an error, counted by key, and never quoted.
 */
export class LabelIntake {
  readonly #refused = new Map<string, number>();

  /** How often the value of an accepted key was refused. Only keys that some `accept` names. */
  get refused(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#refused);
  }

  /** Labels of the caller; with `useBaggage` those of its baggage too, after its metadata or headers. */
  take(rules: AcceptRules, sent: Sent, useBaggage: boolean): Record<string, string> {
    const labels: Record<string, string> = {};
    let characters = 0;
    const baggage = useBaggage ? readBaggage(sent.values('baggage'), rules.keys) : undefined;
    for (const key of rules.keys) {
      const own = sent.values(key);
      const value = own.length > 0 ? single(own) : baggage?.get(key);
      if (value === undefined) {
        if (own.length > 0) this.#refuse(key);
        continue;
      }
      if (value === null || !isLabelValue(value)) {
        this.#refuse(key);
        continue;
      }
      characters += key.length + value.length;
      if (characters > MOST_CHARACTERS) {
        for (const each of [...Object.keys(labels), key]) this.#refuse(each);
        return {};
      }
      Object.defineProperty(labels, key, { value, enumerable: true, writable: true, configurable: true });
    }
    return labels;
  }

  #refuse(key: string): void {
    this.#refused.set(key, (this.#refused.get(key) ?? 0) + 1);
  }
}

function single(values: readonly (string | Buffer)[]): string | undefined {
  const [value] = values;
  return values.length === 1 && typeof value === 'string' ? value : undefined;
}

/** A comma is how HTTP joins what was sent twice, and nobody can tell which was meant. */
function isLabelValue(value: string): boolean {
  return value.length <= LONGEST_VALUE && PRINTABLE.test(value) && !value.includes(',');
}
