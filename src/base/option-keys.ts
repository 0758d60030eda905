import { isRecord } from './is-record';
import { nearest } from './spelling';

/**
 * What is wrong with the shape of an object of options: one problem for each key that it does not know, or one where it is no
 * object at all. Each reads `consul.adress: unknown (expected: address, token; did you mean address?)`. `path`: '' for
 * options that have no name of their own.
 */
export function keyProblems(given: unknown, path: string, known: readonly string[]): string[] {
  if (!isRecord(given)) {
    return [`${path === '' ? 'options' : path}: ${shown(given)} (expected: an object with ${known.join(', ')})`];
  }
  return Object.keys(given)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const meant = nearest(key, known);
      const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
      return `${path === '' ? '' : `${path}.`}${key}: unknown (expected: ${known.join(', ')}${hint})`;
    });
}

/** By kind only, as options hold tokens. */
function shown(given: unknown): string {
  if (given === null || given === undefined) return String(given);
  return Array.isArray(given) ? 'a list' : typeof given === 'string' ? 'a string' : `a ${typeof given}`;
}
