import { nearest } from '../spelling';
import { synonymOf } from '../synonyms';
import { propertiesOf } from './schema-lookup';

/**
 * What to tell somebody who wrote a key that the object does not have: where it belongs, what it is called here, which
 * key was probably meant, or else which keys there are.
 */
export function adviseOnKey(key: string, objectSchema: unknown): string {
  const known = propertiesOf(objectSchema);
  const names = Object.keys(known);
  const sameWord = names.find((name) => singular(name) === singular(key));
  if (sameWord !== undefined) return `a known key; did you mean ${sameWord}?`;
  const home = names.find((name) => Object.hasOwn(propertiesOf(known[name]), key));
  if (home !== undefined) return `a known key; ${key} stands inside ${home}`;
  const synonym = synonymOf(key);
  if (synonym !== undefined) return `a known key; ${synonym}`;
  const meant = nearest(key, names);
  if (meant !== undefined) return `a known key; did you mean ${meant}?`;
  return `a known key: ${names.filter((name) => name !== '$schema').join(', ')}`;
}

function singular(word: string): string {
  return word.toLowerCase().replace(/[_-]/g, '').replace(/s$/, '');
}
