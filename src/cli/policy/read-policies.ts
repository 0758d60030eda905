import { stringify } from 'yaml';
import { defined } from '../../base/defined';
import { GraylaneError } from '../../base/errors';
import { isRecord } from '../../base/is-record';
import { sha256 } from '../../base/sha256';
import { readTrustedKeys, type TrustedKeys } from '../../base/signing-keys';
import {
  type HistoryEntry,
  type HistoryProblem,
  revisionOfText,
  type StoredPolicy,
  verifyHistory,
} from '../../ops/store/history';
import { parseStored } from '../../ops/store/policy-text';
import { verifySignatures } from '../../ops/store/signing';
import { parseTimestamp } from '../../policy/override';
import { ownValue } from '../../policy/plain-data';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import {
  answeredOf,
  findRevision,
  inSlices,
  nameOf,
  type Reading,
  readAll,
  type StoreSession,
  withStore,
} from '../consul/store-session';
import { byText } from '../describe';
import type { CommandIo } from '../io';
import { readBytes } from '../policy-files';

interface Listed {
  readonly service: string;
  readonly datacenter: string;
  /** Null when the value is not a policy document. */
  readonly revision: string | null;
  /** It says that the service has no policy any more. */
  readonly isTombstone: boolean;
  /** Number, time, author and message of the history; null where it was written past the history. */
  readonly number: number | null;
  readonly time: string | null;
  readonly author: string | null;
  readonly message: string | null;
  /** Until when an override is in force, RFC 3339. */
  readonly overrideUntil: string | null;
}

/** `policy list`. */
export async function listPolicies(flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const listed: Listed[] = [];
    const failures: string[] = [];
    for (const datacenter of session.datacenters) {
      try {
        listed.push(...(await listOne(session, datacenter)));
      } catch (error) {
        if (!GraylaneError.is(error)) throw error;
        failures.push(`${nameOf(datacenter)}: ${error.message}`);
      }
    }
    if (failures.length === session.datacenters.length) {
      throw new CommandError(
        2,
        `Consul at ${session.connection.address}: ${failures.join(', ')}`,
        'check --consul, CONSUL_HTTP_ADDR and what the ACL token permits',
      );
    }
    listed.sort((a, b) => byText(a.service, b.service) || byText(a.datacenter, b.datacenter));
    if (flags.json === true) io.json(listed);
    else await show(listed, session.datacenters.length > 1, io);
    if (failures.length > 0) io.exitCode = 1;
    for (const failure of failures) io.note(`graylane: ${failure}`);
  });
}

async function listOne({ store }: StoreSession, datacenter: string | undefined): Promise<readonly Listed[]> {
  const services = await store.services(datacenter);
  return (await inSlices(services, (service) => store.read(service, datacenter))).flatMap(describe);
}

function describe(stored: StoredPolicy): readonly Listed[] {
  const { service, datacenter, policy } = stored;
  // Deleted since it was listed.
  if (policy === undefined) return [];
  const value = parseStored(policy.text);
  const entry = entryInForce(stored);
  const until = String(ownValue(ownValue(value, 'override'), 'until'));
  return [
    {
      service,
      datacenter: nameOf(datacenter),
      revision: revisionOfText(policy.text) ?? null,
      isTombstone: isRecord(value) && ownValue(value, 'tombstone') === true,
      number: entry?.number ?? null,
      time: entry?.time ?? null,
      author: entry?.author ?? null,
      message: entry?.message ?? null,
      overrideUntil: (parseTimestamp(until) ?? 0) > Date.now() ? until : null,
    },
  ];
}

async function show(listed: readonly Listed[], isWide: boolean, io: CommandIo): Promise<void> {
  if (listed.length === 0) {
    io.line('no service has a policy');
    io.note('graylane init SERVICE writes a first one from what Consul lists');
    return;
  }
  await io.table(
    ['service', ...(isWide ? ['datacenter'] : []), 'revision', 'number', 'time', 'author', 'message'],
    listed.map((each) => [
      each.service,
      ...(isWide ? [each.datacenter] : []),
      each.isTombstone ? 'deleted' : (each.revision ?? io.colors.red('not a document')),
      `${each.number ?? ''}`,
      each.time ?? 'past the history',
      each.author ?? '',
      each.overrideUntil === null
        ? (each.message ?? '')
        : `${io.colors.yellow(`override until ${each.overrideUntil}`)}; ${each.message ?? ''}`,
    ]),
  );
}

/** `policy get`. */
export async function getPolicy(service: string, flags: ReadFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const readings = await readAll(session, service);
    const [only] = readings;
    if (flags.json !== true && readings.length === 1 && only !== undefined && 'stored' in only) {
      const { policy, datacenter } = only.stored;
      if (policy !== undefined) return printDocument(policy.text, flags.yaml, io);
      const where = nameOf(datacenter);
      throw new CommandError(1, `${service} has no policy in ${where}`, 'run graylane policy apply FILE');
    }
    const rows = readings.map(rowOf);
    const diverging = new Set(rows.map(({ revision }) => revision)).size > 1;
    if (diverging || readings.some((reading) => 'failure' in reading || reading.stored.policy === undefined))
      io.exitCode = 1;
    if (flags.json === true) {
      io.json({ service, diverging, datacenters: rows });
      return;
    }
    await io.table(
      ['datacenter', 'revision', 'number', 'time', 'author'],
      rows.map((row) => [
        row.datacenter,
        row.failure ?? row.revision ?? 'no policy',
        `${row.number ?? ''}`,
        row.time ?? '',
        row.author ?? '',
      ]),
    );
    if (diverging) io.note(`graylane: the datacenters diverge; run graylane policy apply FILE -m MESSAGE --dc all`);
  });
}

/** As it is stored, or as YAML where it can be read. */
function printDocument(text: string, yaml: boolean | undefined, io: CommandIo): void {
  const value = yaml === true ? parseStored(text) : undefined;
  if (value !== undefined) io.write(stringify(value, { aliasDuplicateObjects: false }));
  else io.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** The history entry of the policy in force; undefined when it was written past the history. */
function entryInForce({ policy, history }: StoredPolicy): HistoryEntry | undefined {
  const digest = policy === undefined ? undefined : sha256(policy.text);
  return history.findLast(({ entry }) => entry !== undefined && entry.documentDigest === digest)?.entry;
}

interface Row {
  readonly datacenter: string;
  readonly revision?: string;
  readonly number?: number;
  readonly time?: string;
  readonly author?: string;
  readonly failure?: string;
  readonly document?: unknown;
}

function rowOf(reading: Reading): Row {
  const datacenter = nameOf(reading.datacenter);
  if ('failure' in reading) return { datacenter, failure: reading.failure };
  const { policy } = reading.stored;
  if (policy === undefined) return { datacenter };
  const entry = entryInForce(reading.stored);
  return {
    datacenter,
    revision: revisionOfText(policy.text) ?? 'not a document',
    ...(entry === undefined ? {} : { number: entry.number, time: entry.time, author: entry.author }),
    document: parseStored(policy.text) ?? policy.text,
  };
}

/** Options of `policy get`, `log` and `show`. */
export interface ReadFlags extends ConsulFlags {
  readonly yaml?: boolean;
  readonly limit?: number;
  readonly verify?: boolean;
  readonly expect?: string;
  /** File with public keys. */
  readonly keys?: string;
}

/** `policy log`. */
export async function showLog(service: string, settings: ReadFlags, io: CommandIo): Promise<void> {
  if (settings.expect !== undefined && settings.verify !== true) {
    throw new CommandError(2, '--expect: given without --verify (expected: both)', 'add --verify');
  }
  if (settings.keys !== undefined && settings.verify !== true) {
    throw new CommandError(2, '--keys: given without --verify (expected: both)', 'add --verify');
  }
  const trusted = settings.keys === undefined ? undefined : await readTrusted(settings.keys);
  await withStore(settings, io, async (session) => {
    const readings = await readAll(session, service);
    const result: unknown[] = [];
    for (const stored of answeredOf(readings, io)) {
      const problems =
        settings.verify === true
          ? [
              ...verifyHistory(stored, settings.expect),
              ...(trusted === undefined ? [] : verifySignatures(stored, trusted)),
            ]
          : undefined;
      if (problems !== undefined && problems.length > 0) io.exitCode = 1;
      if (settings.json === true) result.push(logAsData(stored, settings.limit, problems));
      else {
        if (readings.length > 1) io.line(io.colors.bold(nameOf(stored.datacenter)));
        await printLog(stored, settings.limit, io);
        if (problems !== undefined) printVerdict(stored, problems, io);
      }
    }
    if (settings.json === true) io.json(result);
  });
}

/** One PEM block after the other. Throws a CommandError. */
async function readTrusted(file: string): Promise<TrustedKeys> {
  const text = Buffer.from(await readBytes(file)).toString('utf8');
  const blocks = text.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? [text];
  const trusted = readTrustedKeys(blocks);
  if (typeof trusted === 'string') throw new CommandError(2, `--keys: ${file}${trusted}`);
  return trusted;
}

/** `policy show`. */
export async function showRevision(
  revision: string,
  service: string,
  settings: ReadFlags,
  io: CommandIo,
): Promise<void> {
  await withStore(settings, io, async (session) => {
    for (const stored of answeredOf(await readAll(session, service), io)) {
      const { entry, number } = findRevision(stored, revision);
      if (entry === undefined) {
        throw new CommandError(
          1,
          `number ${number} of ${service} is no history entry`,
          `run graylane policy log ${service} --verify`,
        );
      }
      if (settings.json === true) io.json({ ...entry, document: parseStored(entry.document) ?? entry.document });
      else printDocument(entry.document, settings.yaml, io);
    }
  });
}

async function printLog(
  { history, service, datacenter }: StoredPolicy,
  limit: number | undefined,
  io: CommandIo,
): Promise<void> {
  if (history.length === 0) {
    io.note(`${service} has no history in ${nameOf(datacenter)} that this token may read`);
    return;
  }
  const rows = newestFirst(history, limit).map(({ number, entry }) =>
    entry === undefined
      ? [`${number}`, 'unreadable', '', '', '', '']
      : [`${number}`, entry.revision ?? '-', entry.time, entry.author, entry.kind, entry.message],
  );
  await io.table(['number', 'revision', 'time', 'author', 'by', 'message'], rows);
}

function printVerdict({ history }: StoredPolicy, problems: readonly HistoryProblem[], io: CommandIo): void {
  const { colors } = io;
  for (const { number, problem } of problems) {
    io.line(`${colors.red('not to be believed')} ${number === undefined ? '' : `number ${number}: `}${problem}`);
  }
  const last = history.at(-1)?.entry;
  if (problems.length === 0 && last !== undefined) {
    io.line(
      `${colors.green('verified')} ${history.length} entries, ${history[0]?.number} to ${last.number}; newest digest ${last.digest}`,
    );
  }
}

function logAsData(
  { datacenter, service, history }: StoredPolicy,
  limit: number | undefined,
  problems: readonly HistoryProblem[] | undefined,
): unknown {
  const entries = newestFirst(history, limit).map(({ number, entry, createIndex, modifyIndex }) => {
    if (entry === undefined) return { number, unreadable: true };
    const { document: _, ...rest } = entry;
    return { ...rest, createIndex, modifyIndex };
  });
  return { datacenter: nameOf(datacenter), service, entries, ...defined({ problems }) };
}

function newestFirst<T>(history: readonly T[], limit: number | undefined): readonly T[] {
  const newest = [...history].reverse();
  return limit === undefined ? newest : newest.slice(0, limit);
}
