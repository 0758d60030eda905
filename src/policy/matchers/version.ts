import { satisfies } from 'compare-versions';

/** Values whose answer is kept: callers repeat. */
const MEMOISED_VALUES = 1_024;
const MAX_VERSION_CHARACTERS = 64;

/** One to four numbers, then perhaps a pre-release and a build: `16`, `16.2`, `10.0.22621.3527`, `2.0.0-rc.1`. */
const VERSION = /^\d{1,9}(?:\.\d{1,9}){0,3}(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z.-]+)?$/;
/** A version with an operator before it, or the beginning of one: `>=16.2`, `~2.1`, `16.x`. */
const COMPARATOR =
  /^(?:(?:>=|<=|>|<|=|\^|~)\d{1,9}(?:\.\d{1,9}){0,3}(?:-[0-9A-Za-z.-]+)?|\d{1,9}(?:\.\d{1,9}){0,1}\.x)$/;

/** True for `>=16.2 <18`, `^2.1.0`, `16.x || 17.x`. All comparators between two `||` must hold. */
export function isVersionRange(text: string): boolean {
  return text.split('||').every((part) => {
    const comparators = comparatorsOf(part);
    return comparators.length > 0 && comparators.every((comparator) => COMPARATOR.test(comparator));
  });
}

/**
 * Missing numbers count as 0, and a pre-release comes before its release. What is no version is in no range. `range`
 * must have passed {@link isVersionRange}.
 */
export function versionTest(range: string): (value: string) => boolean {
  // To the library `16.x` is 16.0 with any number in the last place.
  const alternatives = range.split('||').map((part) =>
    comparatorsOf(part)
      .join(' ')
      .replace(/(\S+)\.x/g, '~$1'),
  );
  const answers = new Map<string, boolean>();
  return (value) => {
    if (value.length > MAX_VERSION_CHARACTERS) return false;
    const known = answers.get(value);
    if (known !== undefined) return known;
    const answer = VERSION.test(value) && alternatives.some((comparators) => satisfies(value, comparators));
    if (answers.size >= MEMOISED_VALUES) answers.clear();
    answers.set(value, answer);
    return answer;
  };
}

/** `>= 16.2` is one comparator. */
function comparatorsOf(text: string): readonly string[] {
  const joined = text.replace(/([<>=^~])\s+/g, '$1').trim();
  return joined === '' ? [] : joined.split(/\s+/);
}
