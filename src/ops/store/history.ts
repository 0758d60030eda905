import { gunzipSync, gzipSync } from 'node:zlib';
import type { Candidate } from '../../base/candidate';
import { defined } from '../../base/defined';
import { isRecord } from '../../base/is-record';
import { sha256 } from '../../base/sha256';
import { canonicalJson } from '../../policy/plain-data';
import { revisionOf } from '../../policy/revision';
import { parseStored } from './policy-text';

/** What made a change: a command, a rollout, or `found` for a policy that was put into Consul by hand. */
export type ChangeKind = 'apply' | 'rollback' | 'override' | 'rollout' | 'drill' | 'found';

/**
 * One entry of a policy's history in Consul: who put which document in force, when and why. Never changed once written.
 * Each entry holds the digest of the one before, so the newest digest vouches for all of them.
 */
export interface HistoryEntry {
  /** Of this format. Always 1. */
  readonly format: 1;
  readonly service: string;
  /** From 1, without gaps. */
  readonly number: number;
  readonly kind: ChangeKind;
  /** RFC 3339, by the writer's clock. */
  readonly time: string;
  /** The accessor of the ACL token; without ACLs `user@host`, which is not proven. */
  readonly author: string;
  readonly message: string;
  /** As `inspect()`, spans and metrics name the policy; undefined for text that is no document. */
  readonly revision: string | undefined;
  /** The whole text that stood in Consul. */
  readonly document: string;
  /** SHA-256 of `document`. */
  readonly documentDigest: string;
  /** Digest of the entry before; undefined for number 1. */
  readonly previous: string | undefined;
  /** Number of the oldest entry that is kept beside this one. */
  readonly oldest: number;
  /** SHA-256 of everything above. */
  readonly digest: string;
}

/** Above, the document is stored compressed: it shares a transaction of 512 KB with the policy itself. */
const PLAIN_DOCUMENT_BYTES = 16 * 1024;
const EXPANDED_LIMIT_BYTES = 1024 * 1024;

export function createEntry(
  parts: Omit<HistoryEntry, 'format' | 'revision' | 'documentDigest' | 'digest'>,
): HistoryEntry {
  const entry = {
    ...parts,
    format: 1 as const,
    revision: revisionOfText(parts.document),
    documentDigest: sha256(parts.document),
  };
  return { ...entry, digest: digestOf(entry) };
}

/** SHA-256 over the canonical JSON of an entry without its own digest. */
function digestOf(entry: Omit<HistoryEntry, 'digest'>): string {
  const { digest: _, ...rest } = entry as HistoryEntry;
  return sha256(canonicalJson(defined(rest)));
}

/** The value of the entry's key. */
export function encodeEntry(entry: HistoryEntry): string {
  const { document, ...rest } = entry;
  const isLarge = Buffer.byteLength(document) > PLAIN_DOCUMENT_BYTES;
  const body = isLarge ? { documentGzip: gzipSync(document, { level: 9 }).toString('base64') } : { document };
  return JSON.stringify({ ...rest, ...body });
}

/** Undefined when the text is no entry. What it says is not checked here: `verifyHistory()` does. */
export function decodeEntry(text: string): HistoryEntry | undefined {
  try {
    const raw: unknown = JSON.parse(text);
    if (!isRecord(raw) || raw['format'] !== 1) return undefined;
    const { documentGzip, ...rest } = raw;
    const document =
      typeof documentGzip === 'string'
        ? gunzipSync(Buffer.from(documentGzip, 'base64'), { maxOutputLength: EXPANDED_LIMIT_BYTES }).toString('utf8')
        : rest['document'];
    const texts = [rest['service'], rest['kind'], rest['time'], rest['author'], rest['message'], rest['digest']];
    const numbers = [rest['number'], rest['oldest']];
    if (![...texts, document, rest['documentDigest']].every((part) => typeof part === 'string')) return undefined;
    if (!numbers.every((part) => Number.isSafeInteger(part))) return undefined;
    return { revision: undefined, previous: undefined, ...rest, document } as unknown as HistoryEntry;
  } catch {
    return undefined;
  }
}

/** Twelve hexadecimal digits over the document's canonical form, whatever its spacing and the order of its keys. */
export function revisionOfText(text: string): string | undefined {
  const document = parseStored(text);
  return isRecord(document) ? revisionOf(document) : undefined;
}

/** How much of a policy's history stays in Consul. */
export const RETENTION: Readonly<Record<'maxEntries' | 'maxBytes' | 'minEntries' | 'maxRemovedAtOnce', number>> = {
  /** Entries, the newest among them. */
  maxEntries: 100,
  /** Of the entries' values, together. */
  maxBytes: 1024 * 1024,
  /** Kept whatever their size, so that there is always something to roll back to. */
  minEntries: 10,
  /** Removed by one write at most: its transaction has 64 operations. */
  maxRemovedAtOnce: 40,
};

/**
 * How many of the oldest entries have to go. `sizes` are the bytes of all entries, oldest first, the one about to be
 * written included.
 */
export function countToRemove(sizes: readonly number[]): number {
  const { maxEntries, maxBytes, minEntries, maxRemovedAtOnce } = RETENTION;
  let total = sizes.reduce((sum, size) => sum + size, 0);
  let removed = 0;
  while (sizes.length - removed > minEntries && removed < maxRemovedAtOnce) {
    if (sizes.length - removed <= maxEntries && total <= maxBytes) break;
    total -= sizes[removed] ?? 0;
    removed += 1;
  }
  return removed;
}

/** One trace of a changed history. `number` is the entry's, undefined for the whole history. */
export interface HistoryProblem {
  readonly number: number | undefined;
  readonly problem: string;
}

/**
 * Finds every trace of a later change of the history: altered, rewritten, inserted or missing entries, and policies
 * that were written past it. A writer of every entry can write them all anew and cut off the newest; only a digest
 * noted elsewhere (`expected`, of any kept entry) shows that. Pure.
 */
export function verifyHistory(stored: StoredPolicy, expected?: string): readonly HistoryProblem[] {
  const { history, policy, service } = stored;
  const ofEntries = history.flatMap((current, position) =>
    problemsOf(current, history[position - 1], service).map((problem) => ({ number: current.number, problem })),
  );
  const last = history.at(-1);
  const oldest = last?.entry?.oldest;
  const found: string[] = [];
  if (oldest !== undefined && history[0] !== undefined && history[0].number > oldest) {
    found.push(`entries ${oldest} to ${history[0].number - 1} are missing; the newest says that they are kept`);
  }
  if (policy !== undefined && last?.entry !== undefined && last.entry.documentDigest !== sha256(policy.text)) {
    found.push('the policy in force is not the one of the newest entry: it was written past the history');
  }
  if (policy !== undefined && last === undefined) found.push('there is a policy and no history');
  if (policy === undefined && last !== undefined) {
    found.push('there is a history and no policy: the key was deleted');
  }
  if (expected !== undefined && !history.some(({ entry }) => entry?.digest === expected)) {
    found.push(`no entry has the expected digest ${expected}`);
  }
  return [...ofEntries, ...found.map((problem) => ({ number: undefined, problem }))];
}

function problemsOf(current: StoredEntry, before: StoredEntry | undefined, service: string): readonly string[] {
  const { entry, number } = current;
  if (entry === undefined) return ['what stands there is no history entry'];
  const found: string[] = [];
  if (entry.number !== number) found.push(`says that it is number ${entry.number}`);
  if (entry.service !== service) found.push(`says that it is of ${entry.service}`);
  if (digestOf(entry) !== entry.digest) found.push('altered: its digest is not that of its content');
  if (sha256(entry.document) !== entry.documentDigest) found.push('altered: the document is not the one it was');
  if (current.createIndex !== current.modifyIndex) found.push('written again after it was made');
  if (before === undefined) {
    if (number === 1 && entry.previous !== undefined) found.push('the first, and refers to one before');
    return found;
  }
  if (before.number + 1 !== number) found.push(`follows ${before.number}: those between are missing`);
  else if (before.entry !== undefined && entry.previous !== before.entry.digest) {
    found.push('the entry before is not the one that it was written after');
  }
  if (BigInt(current.createIndex) < BigInt(before.createIndex)) found.push('older in Consul than the entry before');
  return found;
}

export interface StoredPolicy {
  readonly service: string;
  readonly datacenter: string | undefined;
  /** Undefined: there is none. */
  readonly policy:
    | {
        readonly text: string;
        readonly index: string;
        /** The store signs, and this text is not signed by its key. */
        readonly needsSigning?: boolean;
      }
    | undefined;
  /** Oldest first. */
  readonly history: readonly StoredEntry[];
  /** What a command tries beside it now; undefined: nothing. */
  readonly candidate?: Candidate;
}

export interface StoredEntry {
  readonly key: string;
  /** By its key. */
  readonly number: number;
  readonly bytes: number;
  /** Consul's own, which no writer can choose. Differ only when the entry was written again. */
  readonly createIndex: string;
  readonly modifyIndex: string;
  /** Undefined when the value is not an entry. */
  readonly entry: HistoryEntry | undefined;
}
