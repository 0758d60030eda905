import { MAX_HEADER_CHANGES, MAX_HEADER_VALUE_CHARACTERS } from './limits';
import { closed, listOf, type Schema } from './schema-parts';

/** A value that a policy may give a header. */
export const HEADER_VALUE: RegExp = new RegExp(`^[ -~]{0,${MAX_HEADER_VALUE_CHARACTERS}}$`);

const headerValue: Schema = {
  type: 'string',
  title: `printable ASCII, at most ${MAX_HEADER_VALUE_CHARACTERS} characters`,
  pattern: HEADER_VALUE.source,
};

const headerValues: Schema = {
  type: 'object',
  minProperties: 1,
  maxProperties: MAX_HEADER_CHANGES,
  additionalProperties: headerValue,
};

/** Of requests and of responses alike. */
export const headerChanges: Schema = closed({
  set: { ...headerValues, description: 'the only value of each key' },
  add: { ...headerValues, description: 'one more value for each key' },
  remove: listOf(
    { type: 'string', minLength: 1, maxLength: 256 },
    { minItems: 1, maxItems: MAX_HEADER_CHANGES, description: 'keys that are taken out' },
  ),
});
