import { sha256 } from '../../base/sha256';
import { type Difference, findDifferences } from '../compare/differences';
import type { ChangeKind, StoredPolicy } from '../store/history';
import { parseStored } from '../store/policy-text';

/** One change of a policy, with what it changed. */
export interface TimelineEntry {
  readonly number: number;
  /** False: what stands under this number is no history entry, and nothing more is known of it. */
  readonly isReadable: boolean;
  readonly kind?: ChangeKind;
  readonly time?: string;
  readonly author?: string;
  readonly message?: string;
  readonly revision?: string;
  /** Its text is the one in force now. */
  readonly inForce?: boolean;
  /** Against the entry before; undefined where that one is not kept, or is not readable. The first {@link MOST}. */
  readonly differences?: readonly Difference[];
  /** How many there are in all. */
  readonly changed?: number;
}

/** Differences of one entry that are told. */
const MOST = 40;

/** The newest `limit` changes, newest first, each with what it changed. Pure. */
export function timelineOf({ history, policy }: StoredPolicy, limit: number): readonly TimelineEntry[] {
  const digest = policy === undefined ? undefined : sha256(policy.text);
  const newest = history.findLast(({ entry }) => entry !== undefined && entry.documentDigest === digest);
  const first = Math.max(0, history.length - limit);
  return history
    .slice(first)
    .map((stored, index): TimelineEntry => {
      const { number, entry } = stored;
      if (entry === undefined) return { number, isReadable: false };
      const before = history[first + index - 1]?.entry;
      const { kind, time, author, message, revision } = entry;
      const named = { number, isReadable: true, kind, time, author, message, inForce: stored === newest };
      const shown = revision === undefined ? named : { ...named, revision };
      // Number 1 is compared with nothing.
      if (before === undefined && number !== 1) return shown;
      const old = before === undefined ? {} : (parseStored(before.document) ?? {});
      const differences = findDifferences(old, parseStored(entry.document) ?? {});
      return { ...shown, differences: differences.slice(0, MOST), changed: differences.length };
    })
    .reverse();
}
