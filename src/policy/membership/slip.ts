import type { Instance } from '../../base/instances';
import { LONGEST_WORD, nearest, withoutDigits } from '../../base/spelling';
import type { SubsetPlan } from '../plan';

/** Pairs of words. Neither tags nor subsets are few by nature, and a hint is worth no more. */
const MOST_COMPARED = 2_000;

/** How an instance is spelt almost as a subset asks for it. */
export interface Slip {
  /** `tag stabel`, `meta verison`, `meta version: v1x` */
  readonly found: string;
  readonly meant: string;
}

/**
 * Finds the first slip of the pen in the registrations of `instances`. What none of the `others`, which are in a
 * subset, has either is a slip of the policy, not of a registration.
 */
export function findSlip(
  instances: readonly Instance[],
  subsets: readonly SubsetPlan[],
  others: readonly Instance[],
): Slip | undefined {
  const tagsThere = new Set(others.flatMap(({ tags }) => tags));
  const metaThere = new Set(others.flatMap(({ meta }) => Object.entries(meta).map(pairKey)));
  const wantedTags = new Set(subsets.flatMap(({ tags }) => tags).filter((tag) => tagsThere.has(tag) && !isLong(tag)));
  const wantedMeta = new Map<string, Set<string>>();
  for (const pair of subsets.flatMap(({ meta }) => Object.entries(meta))) {
    const [key, value] = pair;
    if (!metaThere.has(pairKey(pair)) || isLong(key)) continue;
    const values = wantedMeta.get(key) ?? new Set();
    if (!isLong(value)) values.add(value);
    wantedMeta.set(key, values);
  }
  const wantedKeys = new Set(wantedMeta.keys());
  let compared = 0;

  /** `v3` is a version beside `v2`, no slip of the pen. */
  const meantBy = (word: string, wanted: ReadonlySet<string> | undefined): string | undefined => {
    if (wanted === undefined || wanted.has(word) || isLong(word) || compared >= MOST_COMPARED) return undefined;
    const names = [...wanted].slice(0, MOST_COMPARED - compared);
    compared += names.length;
    const letters = withoutDigits(word);
    return nearest(
      word,
      names.filter((name) => withoutDigits(name) !== letters),
    );
  };

  const slipOf = ({ tags, meta }: Instance): Slip | undefined => {
    for (const tag of tags) {
      const meant = meantBy(tag, wantedTags);
      if (meant !== undefined) return { found: `tag ${tag}`, meant: `tag ${meant}` };
    }
    for (const [key, value] of Object.entries(meta)) {
      const meantKey = meantBy(key, wantedKeys);
      if (meantKey !== undefined && !Object.hasOwn(meta, meantKey)) {
        return { found: `meta ${key}`, meant: `meta ${meantKey}` };
      }
      const meantValue = meantBy(value, wantedMeta.get(key));
      if (meantValue !== undefined) return { found: `meta ${key}: ${value}`, meant: `meta ${key}: ${meantValue}` };
    }
    return undefined;
  };

  for (const instance of instances) {
    const slip = slipOf(instance);
    if (slip !== undefined) return slip;
  }
  return undefined;
}

function pairKey([key, value]: readonly [string, string]): string {
  return `${key}\n${value}`;
}

function isLong(word: string): boolean {
  return word.length > LONGEST_WORD;
}
