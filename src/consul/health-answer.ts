import { hostAndPort } from '../base/host-and-port';
import { type DuplicateInstance, HEALTH_RANK, type Instance } from '../base/instances';
import { sameItems } from '../base/same-items';
import { type EntryRules, parseEntry } from './health-entry';

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
      /** Why well-formed ones cannot be used, the first few. */
      readonly faults: readonly string[];
      /** Same instances in every respect as `before`. */
      readonly same: boolean;
    }
  /** The right shape, but more than half of it unusable: no base to act on. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'garbage'; readonly reason: string };

/** How many faults of an answer are told. */
const MOST_FAULTS = 3;

/** What a whole answer was asked for. */
export type AnswerRules = Omit<EntryRules, 'onFault'>;

/** Pure; never throws, whatever the text. `before` are the instances of the last good answer. */
export function parseHealth(
  text: string,
  datacenter: string,
  before: readonly Instance[],
  asked: AnswerRules = {},
): ParsedHealth {
  const entries = parseJsonArray(text);
  if (typeof entries === 'string') return { kind: 'garbage', reason: entries };
  const faults: string[] = [];
  const rules = { ...asked, onFault: (fault: string) => void faults.push(fault) };
  return joinEntries(
    entries.map((entry) => parseEntry(entry, datacenter, rules)),
    before,
    faults,
  );
}

/** What the entries of an answer amount to; undefined is one that cannot be used, `faults` say why. */
export function joinEntries(
  entries: readonly (Instance | undefined)[],
  before: readonly Instance[],
  faults: readonly string[] = [],
): ParsedHealth {
  const parsed = entries.filter((instance) => instance !== undefined);
  const count = parsed.length;
  const { instances: kept, duplicates: doubles } = distinctOf(parsed);
  const malformed = entries.length - count;
  // What is well formed, and cannot be dialled, is the truth: no other answer is waited for.
  if ((malformed - faults.length) * 2 > entries.length) {
    const first = faults[0] === undefined ? '' : ` (${faults[0]})`;
    return { kind: 'refused', reason: `${malformed} of ${entries.length} instances are malformed${first}` };
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
  const told = faults.slice(0, MOST_FAULTS);
  const instancesNow = same ? before : instances;
  return { kind: 'health', instances: instancesNow, rejected, duplicates, doubles, faults: told, same };
}

/** The keys of the instances in a filtered health answer. */
export function parseKeys(text: string, datacenter: string, asked: AnswerRules = {}): ReadonlySet<string> | string {
  const entries = parseJsonArray(text);
  if (typeof entries === 'string') return entries;
  const keys = entries.map((entry) => parseEntry(entry, datacenter, asked)?.key).filter((key) => key !== undefined);
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

/** More are not named, however many an answer holds. */
const MOST_NAMED = 20;

interface Distinct {
  /** Ordered by key. */
  readonly instances: readonly Instance[];
  /** The first few. */
  readonly duplicates: readonly DuplicateInstance[];
}

const NONE: readonly DuplicateInstance[] = [];

/**
 * One of each key and of each address: what was registered last says what runs there, whatever its health; where that
 * is not known or the same, the healthiest, then the first by key. In whatever order the entries come.
 */
function distinctOf(entries: readonly Instance[]): Distinct {
  if (areDistinct(entries)) return { instances: entries, duplicates: NONE };
  const byClaim = new Map<string, Instance>();
  const duplicates: DuplicateInstance[] = [];
  const kept = [...entries].sort(byAge).filter((instance) => {
    const endpoint = hostAndPort(instance.address, instance.port);
    const other = byClaim.get(instance.key) ?? byClaim.get(endpoint);
    if (other === undefined) {
      byClaim.set(instance.key, instance).set(endpoint, instance);
      return true;
    }
    if (duplicates.length < MOST_NAMED) duplicates.push({ endpoint, counts: other.id, leftOut: instance.id });
    return false;
  });
  return { instances: kept.sort((a, b) => compare(a.key, b.key)), duplicates };
}

/** As Consul lists them as a rule: by key, each once, and each address once. */
function areDistinct(entries: readonly Instance[]): boolean {
  const seen = new Set<string>();
  for (const [at, instance] of entries.entries()) {
    if (at > 0 && (entries[at - 1] as Instance).key >= instance.key) return false;
    seen.add(hostAndPort(instance.address, instance.port));
  }
  return seen.size === entries.length;
}

function byAge(a: Instance, b: Instance): number {
  return (
    (b.registered ?? 0) - (a.registered ?? 0) ||
    HEALTH_RANK[a.status] - HEALTH_RANK[b.status] ||
    compare(a.key, b.key) ||
    compare(a.address, b.address) ||
    a.port - b.port
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether two entries of one key say the same, so that the former object can be kept. */
export function isSameInstance(a: Instance, b: Instance): boolean {
  return (
    a.address === b.address &&
    a.port === b.port &&
    a.status === b.status &&
    a.weight === b.weight &&
    a.isNodeFailed === b.isNodeFailed &&
    a.zone === b.zone &&
    a.region === b.region &&
    a.portName === b.portName &&
    samePorts(a.ports, b.ports) &&
    sameItems(a.tags, b.tags) &&
    sameMeta(a.meta, b.meta)
  );
}

function samePorts(a: Instance['ports'], b: Instance['ports']): boolean {
  if (a === b) return true;
  return (
    a?.length === b?.length && a?.every(({ name, port }, at) => name === b?.[at]?.name && port === b[at].port) === true
  );
}

/** `a` may hold anything. */
export function sameMeta(a: Readonly<Record<string, unknown>>, b: Instance['meta']): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}
