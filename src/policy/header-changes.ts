import type { HeaderChangesDocument } from './document';
import type { HeaderChanges } from './plan';

/** Undefined where nothing is changed. */
export function compileHeaderChanges(written: HeaderChangesDocument | undefined): readonly HeaderChanges[] | undefined {
  if (written === undefined) return undefined;
  const pairs = (values: Readonly<Record<string, string>> = {}): readonly (readonly [string, string])[] =>
    Object.entries(values).map(([key, value]) => [key.toLowerCase(), value] as const);
  const remove = (written.remove ?? []).map((key) => key.toLowerCase());
  const changes = { remove, add: pairs(written.add), set: pairs(written.set) };
  return changes.remove.length + changes.add.length + changes.set.length === 0 ? undefined : [changes];
}

/** One text for each change: `set x-lane: blue`, `add x-via: graylane`, `remove x-debug`. */
export function describeHeaderChanges(lists: readonly HeaderChanges[] | undefined): readonly string[] | undefined {
  return lists?.flatMap(({ remove, add, set }) => [
    ...remove.map((key) => `remove ${key}`),
    ...add.map(([key, value]) => `add ${key}: ${value}`),
    ...set.map(([key, value]) => `set ${key}: ${value}`),
  ]);
}
