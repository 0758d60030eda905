import type { ConsulClient } from '../../consul/client';
import { readKvAnswer } from '../../consul/kv-entry';
import { PLAIN_TIME_LIMIT_MS } from '../../consul/request';
import { parseValueList, type ValueList } from '../../policy/value-list';
import { inDatacenter, namesBelow, unavailable } from '../store/kv';

/** A list of values as Consul has it. */
export interface StoredList {
  readonly name: string;
  readonly text: string;
  /** ModifyIndex, decimal text; `0`: there is none yet. */
  readonly index: string;
  /** What is wrong with the text, where it is no list: clients keep what they had. */
  readonly values: ValueList | string;
  /** The last change, where `graylane lists` made it. */
  readonly change: ListChange | undefined;
}

/** Who changed a list, and why. */
interface ListChange {
  readonly author: string;
  readonly message: string;
  /** RFC 3339. */
  readonly time: string;
}

/** Clients read `graylane/lists/NAME`; the text before the last change is kept beside, so that it can be undone. */
const PREFIX = 'graylane/lists';
const FORMER_PREFIX = 'graylane/lists-former';
/** The first line of what is written. */
const HEADER = /^# (\S+) by (\S+): (.*)$/;

/** Throws POLICY_UNAVAILABLE when Consul does not say. */
export async function readList(
  client: ConsulClient,
  name: string,
  datacenter: string | undefined,
): Promise<StoredList | undefined> {
  return await readKey(client, `${PREFIX}/${name}`, name, datacenter);
}

/** The list before its last change. Throws POLICY_UNAVAILABLE. */
export async function readFormerList(
  client: ConsulClient,
  name: string,
  datacenter: string | undefined,
): Promise<StoredList | undefined> {
  return await readKey(client, `${FORMER_PREFIX}/${name}`, name, datacenter);
}

/** Names of the lists that there are, sorted. Throws POLICY_UNAVAILABLE. */
export async function listNames(client: ConsulClient, datacenter: string | undefined): Promise<readonly string[]> {
  return await namesBelow(client, PREFIX, datacenter);
}

/** What {@link writeList} takes. */
export interface ListWrite {
  readonly name: string;
  readonly datacenter: string | undefined;
  /** As it was read; undefined: there was none. */
  readonly before: StoredList | undefined;
  readonly values: ValueList;
  readonly change: ListChange;
}

/**
 * Writes a list, and the one that it replaces beside it. True: written; false: another writer was faster. Throws
 * POLICY_UNAVAILABLE.
 */
export async function writeList(client: ConsulClient, write: ListWrite): Promise<boolean> {
  const { name, datacenter, before, values, change } = write;
  if (before !== undefined) await put(client, `${FORMER_PREFIX}/${name}`, before.text, datacenter);
  const { time, author, message } = change;
  const lines = [`# ${time} by ${author.replace(/\s+/g, '_')}: ${message.replace(/\s+/g, ' ')}`, ...values];
  return await put(client, `${PREFIX}/${name}`, `${lines.join('\n')}\n`, datacenter, before?.index ?? '0');
}

/** The first value that cannot be a line of its own; undefined: each can. */
export function unwritableValue(values: ValueList): string | undefined {
  for (const value of values) {
    if (value === '' || value.trim() !== value || /[\r\n]/.test(value) || value.startsWith('#')) return value;
  }
  return undefined;
}

async function readKey(
  client: ConsulClient,
  key: string,
  name: string,
  datacenter: string | undefined,
): Promise<StoredList | undefined> {
  const query = inDatacenter(datacenter);
  const answer = await client.get({ path: '/kv/{key}', params: { key }, query, timeLimitMs: PLAIN_TIME_LIMIT_MS });
  if (answer.kind === 'failure') throw unavailable(key, answer.reason);
  const entry = readKvAnswer(answer, key);
  if (entry.kind === 'absent') return undefined;
  if (entry.kind === 'error') throw unavailable(key, entry.reason);
  const { text, index = '0' } = entry;
  const [, time, author, message] = HEADER.exec(text.split('\n', 1)[0] ?? '') ?? [];
  const change = time === undefined || author === undefined ? undefined : { time, author, message: message ?? '' };
  return { name, text, index, values: parseValueList(text), change };
}

async function put(
  client: ConsulClient,
  key: string,
  body: string,
  datacenter: string | undefined,
  index?: string,
): Promise<boolean> {
  const query = { ...inDatacenter(datacenter), ...(index === undefined ? {} : { cas: index }) };
  const answer = await client.put({
    path: '/kv/{key}',
    params: { key },
    query,
    body,
    timeLimitMs: PLAIN_TIME_LIMIT_MS,
  });
  if (answer.kind === 'failure') throw unavailable(key, answer.reason);
  return answer.body.toString('utf8').trim() === 'true';
}
