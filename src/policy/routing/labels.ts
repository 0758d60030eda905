import type { Labels } from './call';

/** Labels from a plain record, keys lower-cased: for `explain()`, simulations and tests. */
export function labelsOf(record: Readonly<Record<string, string>>): Labels {
  const values = new Map(Object.entries(record).map(([key, value]) => [key.toLowerCase(), value]));
  return { get: (key) => values.get(key) };
}
