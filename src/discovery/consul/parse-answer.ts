import { isSameInstance } from '../same-instance';
import type { DuplicateInstance, Instance } from '../source';
import { distinctOf } from './duplicates';
import { parseEntry } from './parse-entry';

/** A whole health answer, understood. */
export type ParsedHealth =
  | {
      readonly kind: 'health';
      /** Ordered by key; entries that did not change are the objects of `before`. */
      readonly instances: readonly Instance[];
      /** Left out: malformed ones and duplicates. */
      readonly rejected: number;
      /** How many of them are only that: at their address, or under their key, another is registered. */
      readonly duplicates: number;
      /** The first few of those. */
      readonly doubles: readonly DuplicateInstance[];
      /** Same instances in every respect as `before`. */
      readonly same: boolean;
    }
  /** The right shape, but more than half of it unusable: no base to act on. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'garbage'; readonly reason: string };

/** Pure; never throws, whatever the text. `before` are the instances of the last good answer. */
export function parseHealth(text: string, datacenter: string, before: readonly Instance[]): ParsedHealth {
  const entries = parseJsonArray(text);
  if (typeof entries === 'string') return { kind: 'garbage', reason: entries };
  return joinEntries(
    entries.map((entry) => parseEntry(entry, datacenter)),
    before,
  );
}

/** What the entries of an answer amount to; undefined is a malformed one. */
export function joinEntries(entries: readonly (Instance | undefined)[], before: readonly Instance[]): ParsedHealth {
  const parsed = entries.filter((instance) => instance !== undefined);
  const count = parsed.length;
  const { instances: kept, duplicates: doubles } = distinctOf(parsed);
  const malformed = entries.length - count;
  if (malformed * 2 > entries.length) {
    return { kind: 'refused', reason: `${malformed} of ${entries.length} instances are malformed` };
  }
  const rejected = entries.length - kept.length;
  const duplicates = count - kept.length;
  let at = 0;
  const instances = kept.map((instance) => {
    // Both are in the order of their keys.
    while (at < before.length && (before[at] as Instance).key < instance.key) at += 1;
    const old = before[at];
    return old?.key === instance.key && (old === instance || isSameInstance(old, instance)) ? old : instance;
  });
  const same = instances.length === before.length && instances.every((instance, index) => instance === before[index]);
  return { kind: 'health', instances: same ? before : instances, rejected, duplicates, doubles, same };
}

/** The keys of the instances in a filtered health answer. */
export function parseKeys(text: string, datacenter: string): ReadonlySet<string> | string {
  const entries = parseJsonArray(text);
  if (typeof entries === 'string') return entries;
  const keys = entries.map((entry) => parseEntry(entry, datacenter)?.key).filter((key) => key !== undefined);
  return new Set(keys.sort());
}

/** An array, or why it is none. */
export function parseJsonArray(text: string): readonly unknown[] | string {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : 'the answer is not a JSON array';
  } catch {
    return 'the answer is not JSON';
  }
}
