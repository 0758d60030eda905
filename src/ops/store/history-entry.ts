import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { isRecord } from '../../base/is-record';
import { parsePolicyText } from '../../policy/parse-text';
import { canonicalJson } from '../../policy/plain-data';

/** What a change was made by: a command, a rollout, or `found`, which keeps a policy that somebody had put in Consul by hand. */
export type ChangeKind = 'apply' | 'rollback' | 'override' | 'rollout' | 'found';

/**
 * One line of a policy's history, as it stands in Consul: who put which document in force, when and why. Never changed
 * once written. Each holds the digest of the one before, so that the newest digest vouches for all of them.
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
  /** The accessor of the ACL token; without ACLs `user@host`, which anybody can claim to be. */
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
export function digestOf(entry: Omit<HistoryEntry, 'digest'>): string {
  const { digest: _, ...rest } = entry as HistoryEntry;
  return sha256(canonicalJson(withoutUndefined(rest)));
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
  const parsed = parsePolicyText(text, 'json');
  return isRecord(parsed.value) ? sha256(canonicalJson(parsed.value)).slice(0, 12) : undefined;
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function withoutUndefined(record: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
