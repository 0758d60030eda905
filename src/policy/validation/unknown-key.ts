import { nearest } from '../../base/spelling';
import { propertiesOf } from './schema-lookup';

/** What to write instead of a key that a format does not have; undefined when it belongs to no known format. */
export type Synonyms = (key: string) => string | undefined;

/** Looks keys up without regard to case and underscores, so that `num_retries` and `numRetries` are one. */
export function createSynonyms(answers: Readonly<Record<string, string>>): Synonyms {
  const byFoldedKey = new Map(Object.entries(answers).map(([key, answer]) => [fold(key), answer]));
  return (key) => byFoldedKey.get(fold(key));
}

/**
 * What to write in place of a key that the object does not have: where it belongs, what it is called here, which
 * key was probably meant, or else which keys there are.
 */
export function adviseOnKey(key: string, objectSchema: unknown, synonyms: Synonyms): string {
  const known = propertiesOf(objectSchema);
  const names = Object.keys(known);
  const sameWord = names.find((name) => singular(name) === singular(key));
  if (sameWord !== undefined) return `a known key; did you mean ${sameWord}?`;
  const home = names.find((name) => Object.hasOwn(propertiesOf(known[name]), key));
  if (home !== undefined) return `a known key; ${key} stands inside ${home}`;
  const synonym = synonyms(key);
  if (synonym !== undefined) return `a known key; ${synonym}`;
  const meant = nearest(key, names);
  if (meant !== undefined) return `a known key; did you mean ${meant}?`;
  return `a known key: ${names.filter((name) => name !== '$schema').join(', ')}`;
}

function singular(word: string): string {
  return fold(word).replace(/s$/, '');
}

function fold(key: string): string {
  return key.toLowerCase().replace(/[_-]/g, '');
}
