import { cookieValues, isCookieKey } from '../cookie';
import type { Labels } from './call';

/**
 * Labels from a plain record, keys lower-cased: for `explain()`, simulations and tests. A cookie is found under
 * `cookie:name`, and in the header `cookie`.
 */
export function labelsOf(record: Readonly<Record<string, string>>): Labels {
  const values = new Map(Object.entries(record).map(([key, value]) => [key.toLowerCase(), value]));
  return {
    get(key) {
      const header = isCookieKey(key) && !values.has(key) ? values.get('cookie') : undefined;
      if (header === undefined) return values.get(key);
      const found = cookieValues([header], key);
      return found.length === 1 ? found[0] : undefined;
    },
  };
}
