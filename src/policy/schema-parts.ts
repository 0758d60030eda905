/** Words that the JSON Schemas of policies and of rollouts are made of. */
export type Schema = Readonly<Record<string, unknown>>;

export const count = (minimum: number, maximum = 1_000_000): Schema => ({ type: 'integer', minimum, maximum });

export const listOf = (items: Schema, limits: Schema = {}): Schema => ({ type: 'array', items, ...limits });

/** Each text once. That they are texts must stand beside a reference, or every item is compared with every other. */
export const setOf = (items: Schema, limits: Schema = {}): Schema =>
  listOf({ type: 'string', ...items }, { uniqueItems: true, ...limits });

/** An object with these properties and no others. */
export const closed = (properties: Schema, more: Schema = {}): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...more,
});

/** Of a subset, of a fault, and of a check. */
export const SHORT_NAME: RegExp = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

export const shortName: Schema = {
  type: 'string',
  title: 'a name of 1 to 64 letters, digits, _ . -',
  pattern: SHORT_NAME.source,
};
