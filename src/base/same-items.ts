/** True when two lists hold the same objects in the same order. */
export function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a === b || (a.length === b.length && a.every((item, index) => item === b[index]));
}

/** True when two sets hold the same. */
export function sameSets<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a === b || (a.size === b.size && [...a].every((item) => b.has(item)));
}

/** True when two maps have the same keys, with values that are the same by `same`. A map that is left out is empty. */
export function sameMaps<T>(
  a: ReadonlyMap<string, T> = new Map(),
  b: ReadonlyMap<string, T> = new Map(),
  same: (a: T, b: T) => boolean = Object.is,
): boolean {
  if (a === b) return true;
  return a.size === b.size && [...a].every(([key, value]) => b.has(key) && same(value, b.get(key) as T));
}
