import { hostname, userInfo } from 'node:os';
import { candidateKey, decodeCandidate } from '../../base/candidate';
import { sha256 } from '../../base/sha256';
import type { ConsulClient } from '../../consul/client';
import {
  type ChangeKind,
  countToRemove,
  createEntry,
  decodeEntry,
  encodeEntry,
  type HistoryEntry,
  type StoredEntry,
  type StoredPolicy,
} from './history';
import {
  assertReadable,
  type KvOperation,
  type KvPair,
  namesBelow,
  parseJsonRecord,
  transact,
  unavailable,
} from './kv';
import { needsSigning, type Signing, signText } from './signing';

/**
 * Policies and their history in Consul's KV store. A change is one transaction of the policy and its history entry, and
 * holds only if both are still as they were read. Used by the command and by rollouts. `datacenter` undefined is the
 * agent's own; each datacenter has a store of its own, since Consul does not replicate them.
 */
export interface PolicyStore {
  /** Policy and history, as of one moment. Throws POLICY_UNAVAILABLE when Consul does not say. */
  read(service: string, datacenter: string | undefined): Promise<StoredPolicy>;
  /** Services that have a policy and that the token may read, sorted. Throws POLICY_UNAVAILABLE. */
  services(datacenter: string | undefined): Promise<readonly string[]>;
  /** Never rejects. What is written was validated by the caller. */
  write(change: PolicyChange): Promise<WriteOutcome>;
}

interface PolicyChange {
  /** What the change is made to, as it was read. */
  readonly before: StoredPolicy;
  /** The new policy's text, JSON. */
  readonly text: string;
  readonly kind: ChangeKind;
  readonly author: string;
  readonly message: string;
  /** Wall clock of the writer. */
  readonly time: Date;
  /** Further operations of the same transaction. At most 15: a transaction has 64 operations. */
  readonly also?: readonly KvOperation[];
}

export type WriteOutcome =
  | { readonly kind: 'written'; readonly entry: HistoryEntry; readonly removed: number }
  /**
   * Another writer was faster, or an operation of `also` did not hold. Nothing was written; `now` is what Consul has.
   */
  | { readonly kind: 'lost'; readonly now: StoredPolicy }
  /** Nothing was written. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Consul did not answer, not even to the question whether it was written. */
  | { readonly kind: 'unknown'; readonly reason: string };

export interface PolicyStoreOptions {
  /** Default: texts are written as they are, and signed policies are not changed. */
  readonly signing?: Signing | undefined;
  /** Not closed by the store. */
  readonly client: ConsulClient;
}

const POLICY_PREFIX = 'graylane/policies';

/** Where the policy of a service stands in Consul KV. */
export function policyKeyOf(service: string): string {
  return `${POLICY_PREFIX}/${service}`;
}
const HISTORY_PREFIX = 'graylane/history';
const NUMBER_DIGITS = 10;

export function createPolicyStore({ client, signing }: PolicyStoreOptions): PolicyStore {
  const read = async (service: string, datacenter: string | undefined): Promise<StoredPolicy> => {
    const policyKey = policyKeyOf(service);
    const historyKey = `${HISTORY_PREFIX}/${service}/`;
    const outcome = await transact(client, datacenter, [
      { verb: 'get-tree', key: policyKey },
      { verb: 'get-tree', key: historyKey },
      { verb: 'get-tree', key: candidateKey(service) },
    ]);
    if (outcome.kind !== 'done') throw unavailable(policyKey, outcome.reason);
    const pair = outcome.pairs.find(({ key }) => key === policyKey);
    if (pair === undefined) await assertReadable(client, policyKey, datacenter);
    const text = pair?.value.toString('utf8') ?? '';
    return {
      service,
      datacenter,
      policy: pair && { text, index: pair.modifyIndex, needsSigning: needsSigning(text, signing) },
      history: outcome.pairs.filter(({ key }) => key.startsWith(historyKey)).flatMap(storedEntry),
      ...heldCandidate(outcome.pairs.find(({ key }) => key === candidateKey(service))),
    };
  };

  const write = async (change: PolicyChange): Promise<WriteOutcome> => {
    const signed = signText(change.text, change.before.policy?.text, signing, change.time);
    if ('refused' in signed) return { kind: 'refused', reason: signed.refused };
    const { operations, entry, removed } = planWrite({ ...change, ...signed });
    const { service, datacenter } = change.before;
    const also = change.also ?? [];
    const outcome = await transact(client, datacenter, [...operations, ...also]);
    if (outcome.kind === 'done') return { kind: 'written', entry, removed };
    if (outcome.kind === 'refused') return { kind: 'refused', reason: outcome.reason };
    let now: StoredPolicy;
    try {
      now = await read(service, datacenter);
    } catch {
      return { kind: 'unknown', reason: outcome.reason };
    }
    // An answer that got lost: the entry says whether the write was not.
    if (now.history.some((stored) => stored.entry?.digest === entry.digest)) return { kind: 'written', entry, removed };
    if (outcome.kind === 'unknown') return { kind: 'refused', reason: outcome.reason };
    if (also.length === 0 && isSameState(now, change.before)) {
      const hint = `though nothing changed; the token may lack key:read on ${HISTORY_PREFIX}/${service}/`;
      return { kind: 'refused', reason: `${outcome.reason}, ${hint}` };
    }
    return { kind: 'lost', now };
  };

  return {
    read,
    write,
    services: (datacenter) => namesBelow(client, POLICY_PREFIX, datacenter),
  };
}

function planWrite({ before, text, kind, author, message, time }: PolicyChange): {
  readonly operations: readonly KvOperation[];
  readonly entry: HistoryEntry;
  readonly removed: number;
} {
  const { service, policy, history } = before;
  const last = history.at(-1);
  const pending: HistoryEntry[] = [];
  const add = (parts: Pick<HistoryEntry, 'kind' | 'author' | 'message' | 'document'>, oldest: number): HistoryEntry => {
    const before = pending.at(-1) ?? last?.entry;
    const number = (pending.at(-1)?.number ?? last?.number ?? 0) + 1;
    return createEntry({ ...parts, service, number, time: time.toISOString(), previous: before?.digest, oldest });
  };
  const firstNumber = history[0]?.number ?? 1;
  // A policy that was written past the history would be lost with the next change.
  if (policy !== undefined && last?.entry?.documentDigest !== sha256(policy.text)) {
    const found = { kind: 'found', author: 'unknown', message: 'found in Consul, not written by graylane' } as const;
    pending.push(add({ ...found, document: policy.text }, firstNumber));
  }
  const provisional = add({ kind, author, message, document: text }, firstNumber);
  const sizeOf = (entry: HistoryEntry): number => Buffer.byteLength(encodeEntry(entry));
  const sizes = [...history.map(({ bytes }) => bytes), ...[...pending, provisional].map(sizeOf)];
  const removed = Math.min(countToRemove(sizes), history.length);
  const oldest = history[removed]?.number ?? pending[0]?.number ?? provisional.number;
  const entry = add({ kind, author, message, document: text }, oldest);
  const operations: KvOperation[] = [
    { verb: 'cas', key: policyKeyOf(service), index: policy?.index ?? '0', value: text },
    ...(last === undefined ? [] : [{ verb: 'check-index', key: last.key, index: last.modifyIndex } as const]),
    ...[...pending, entry].map((each): KvOperation => {
      return { verb: 'cas', key: entryKey(service, each.number), index: '0', value: encodeEntry(each) };
    }),
    ...history.slice(0, removed).map(({ key }): KvOperation => ({ verb: 'delete', key })),
  ];
  return { operations, entry, removed };
}

/** One that no command holds is left over. */
function heldCandidate(pair: KvPair | undefined): Pick<StoredPolicy, 'candidate'> {
  if (pair?.session === undefined) return {};
  const candidate = decodeCandidate(pair.value.toString('utf8'));
  return 'problem' in candidate ? {} : { candidate };
}

/** Numbers are padded, so that Consul's order of keys is theirs. */
function entryKey(service: string, number: number): string {
  return `${HISTORY_PREFIX}/${service}/${String(number).padStart(NUMBER_DIGITS, '0')}`;
}

function storedEntry({ key, value, createIndex, modifyIndex }: KvPair): readonly StoredEntry[] {
  const name = key.slice(key.lastIndexOf('/') + 1);
  if (!/^\d{10}$/.test(name)) return [];
  const entry = decodeEntry(value.toString('utf8'));
  return [{ key, number: Number(name), bytes: value.byteLength, createIndex, modifyIndex, entry }];
}

function isSameState(a: StoredPolicy, b: StoredPolicy): boolean {
  const same = a.policy?.index === b.policy?.index && a.history.length === b.history.length;
  return same && a.history.at(-1)?.modifyIndex === b.history.at(-1)?.modifyIndex;
}

const TIME_LIMIT_MS = 5000;
const ANONYMOUS = '00000000-0000-0000-0000-000000000002';

/**
 * The author of a change: the accessor of the ACL token (not a secret), else `user@host`. Every token may read itself.
 * Never rejects.
 */
export async function findAuthor(client: ConsulClient): Promise<string> {
  if (client.options.token !== undefined) {
    const answer = await client.get({ path: '/acl/token/self', timeLimitMs: TIME_LIMIT_MS });
    const accessor = answer.kind === 'answer' && parseJsonRecord(answer.body.toString('utf8'))?.['AccessorID'];
    if (typeof accessor === 'string' && accessor !== '' && accessor !== ANONYMOUS) return accessor;
  }
  return `${userName()}@${hostname()}`;
}

/** A user id without an entry in the password file has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env['USER'] ?? 'unknown';
  }
}
