/** Longer words are no slips of the pen, and the work grows with the square. */
export const LONGEST_WORD = 64;

/**
 * The one of `known` that was most likely meant by `word`: at most two slips away (a letter more, less, other, or two
 * swapped), fewer in short words, whatever the case. Undefined when none is near.
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > LONGEST_WORD) return undefined;
  let best: string | undefined;
  let bestSlips = word.length <= 4 ? 1 : 2;
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) > bestSlips) continue;
    const slips = slipsBetween(word.toLowerCase(), candidate.toLowerCase(), bestSlips);
    if (slips < bestSlips || (slips === bestSlips && best === undefined)) {
      best = candidate;
      bestSlips = slips;
    }
  }
  return best;
}

/**
 * Damerau-Levenshtein distance, where a swapped pair is not touched again; above `most` it may be any number above.
 * Only what lies within `most` of the diagonal is looked at.
 */
function slipsBetween(word: string, other: string, most: number): number {
  // Most of two names that are near is the same.
  const begin = sameAtStart(word, other);
  const end = sameAtEnd(word, other, begin);
  const a = word.slice(begin, word.length - end);
  const b = other.slice(begin, other.length - end);
  const far = most + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current: number[] = new Array(b.length + 1).fill(far);
    if (row <= most) current[0] = row;
    let least = current[0] as number;
    for (let column = Math.max(1, row - most); column <= Math.min(b.length, row + most); column += 1) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let slips = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + same);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) slips = Math.min(slips, at(beforeLast, column - 2) + 1);
      current[column] = slips;
      least = Math.min(least, slips);
    }
    // A swap reaches back over two rows.
    if (least > most && Math.min(...last) > most) return far;
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

function sameAtStart(a: string, b: string): number {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same += 1;
  return same;
}

/** Behind the first `begin` characters. */
function sameAtEnd(a: string, b: string, begin: number): number {
  const longest = Math.min(a.length, b.length) - begin;
  let same = 0;
  while (same < longest && a[a.length - 1 - same] === b[b.length - 1 - same]) same += 1;
  return same;
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}

/** What `v3` and `v2` have in common: names that differ by numbers alone are siblings, no slips of the pen. */
export function withoutDigits(name: string): string {
  return name.replace(/\d/g, '');
}
