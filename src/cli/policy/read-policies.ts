import { defined } from '../../base/defined';
import { isRecord } from '../../base/is-record';
import { sha256 } from '../../base/sha256';
import { readTrustedKeys, type TrustedKeys } from '../../base/signing-keys';
import { writeYaml } from '../../base/yaml';
import type { PolicySummary } from '../../ops/console/answers';
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
  type Failure,
  findRevision,
  nameOf,
  noteFailure,
  orFailure,
  type Reading,
  readAll,
  readEveryAllowed,
  ServiceHasNone,
  unanswered,
  withStore,
} from '../consul/store-session';
import { byText } from '../describe';
import { type CommandIo, fields } from '../io';
import { readText } from '../policy-files';
import { orderArguments } from './argument-order';

/** `policy list`. */
export async function listPolicies(flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const listed: PolicySummary[] = [];
    const failures: Failure[] = [];
    for (const datacenter of session.datacenters) {
      const stored = await orFailure(readEveryAllowed(session, datacenter));
      if ('failure' in stored) failures.push({ datacenter, failure: stored.failure });
      else listed.push(...stored.flatMap(summaryOf));
    }
    if (failures.length === session.datacenters.length) {
      const reasons = failures.map(({ datacenter, failure }) => `${nameOf(datacenter)}: ${failure}`);
      throw unanswered(session.connection, reasons);
    }
    listed.sort((a, b) => byText(a.service, b.service) || byText(a.datacenter, b.datacenter));
    io.json(listed);
    if (!io.asJson) await show(listed, session.datacenters.length > 1, io);
    for (const failure of failures) noteFailure(failure, io);
  });
}

/** Null for what is not known: of a text that is no policy document, or that was written past the history. */
export function summaryOf(stored: StoredPolicy): readonly PolicySummary[] {
  const { service, datacenter, policy } = stored;
  // Deleted since it was listed.
  if (policy === undefined) return [];
  const value = parseStored(policy.text);
  const { number = null, time = null, author = null, message = null } = entryInForce(stored) ?? {};
  const until = String(ownValue(ownValue(value, 'override'), 'until'));
  return [
    {
      ...{ service, datacenter: nameOf(datacenter), revision: revisionOfText(policy.text) ?? null },
      isTombstone: isRecord(value) && ownValue(value, 'tombstone') === true,
      ...{ number, time, author, message },
      overrideUntil: (parseTimestamp(until) ?? 0) > Date.now() ? until : null,
    },
  ];
}

async function show(listed: readonly PolicySummary[], isWide: boolean, io: CommandIo): Promise<void> {
  if (listed.length === 0) {
    io.line('no service has a policy');
    io.note('graylane init SERVICE writes a first one from what Consul lists');
    return;
  }
  const { red, yellow } = io.colors;
  await io.table(listed, {
    ...fields('service'),
    ...(isWide ? fields('datacenter') : {}),
    revision: (each) => (each.isTombstone ? 'deleted' : (each.revision ?? red('not a document'))),
    number: (each) => each.number ?? '',
    time: (each) => each.time ?? 'past the history',
    author: (each) => each.author ?? '',
    message: ({ message, overrideUntil }) =>
      `${overrideUntil === null ? '' : `${yellow(`override until ${overrideUntil}`)}; `}${message ?? ''}`,
  });
}

/** `policy get`. */
export async function getPolicy(service: string, flags: ReadFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const readings = await readAll(session, service);
    const [only] = readings;
    if (!io.asJson && readings.length === 1 && only !== undefined && 'stored' in only) {
      const { policy, datacenter } = only.stored;
      if (policy !== undefined) return printDocument(policy.text, flags.yaml, io);
      const where = nameOf(datacenter);
      const message = `${service} has no policy in ${where}`;
      throw new ServiceHasNone(service, datacenter, message, 'run graylane policy apply FILE');
    }
    const rows = readings.map(rowOf);
    const diverging = new Set(rows.map(({ revision }) => revision)).size > 1;
    if (diverging || rows.some(({ revision }) => revision === undefined)) io.exitCode = 1;
    io.json({ service, diverging, datacenters: rows });
    await io.table(rows, {
      datacenter: (row) => row.datacenter,
      revision: (row) => row.failure ?? row.revision ?? 'no policy',
      ...fields('number', 'time', 'author'),
    });
    if (diverging && !io.asJson) {
      io.note('graylane: the datacenters diverge; run graylane policy apply FILE -m MESSAGE --dc all');
    }
  });
}

/** As it is stored, or as YAML where it can be read. */
function printDocument(text: string, yaml: boolean | undefined, io: CommandIo): void {
  const shown = yaml === true ? readable(text) : text;
  io.write(shown.endsWith('\n') ? shown : `${shown}\n`);
}

/** A stored text as YAML, which is easiest to read and to compare. Text that is no JSON stays as it is. */
export function readable(text: string): string {
  const value = parseStored(text);
  return value === undefined ? text : writeYaml(value);
}

/** The history entry of the policy in force; undefined when it was written past the history. */
function entryInForce({ policy, history }: StoredPolicy): HistoryEntry | undefined {
  const digest = policy === undefined ? undefined : sha256(policy.text);
  return history.findLast(({ entry }) => entry !== undefined && entry.documentDigest === digest)?.entry;
}

interface Row extends Partial<Pick<HistoryEntry, 'number' | 'time' | 'author'>> {
  readonly datacenter: string;
  /** Undefined without a policy. */
  readonly revision?: string;
  readonly failure?: string;
  readonly document?: unknown;
}

function rowOf(reading: Reading): Row {
  const datacenter = nameOf(reading.datacenter);
  if ('failure' in reading) return { datacenter, failure: reading.failure };
  const { policy } = reading.stored;
  if (policy === undefined) return { datacenter };
  const { number, time, author } = entryInForce(reading.stored) ?? {};
  return {
    datacenter,
    revision: revisionOfText(policy.text) ?? 'not a document',
    ...defined({ number, time, author }),
    document: parseStored(policy.text) ?? policy.text,
  };
}

/** Options of `policy get`, `log` and `show`. */
interface ReadFlags extends ConsulFlags {
  readonly yaml?: boolean;
  readonly limit?: number;
  readonly verify?: boolean;
  readonly expect?: string;
  /** File with public keys. */
  readonly keys?: string;
}

/** `policy log`. */
export async function showLog(service: string, flags: ReadFlags, io: CommandIo): Promise<void> {
  const { verify, expect, keys, limit } = flags;
  for (const [name, value] of Object.entries({ expect, keys })) {
    if (value === undefined || verify === true) continue;
    throw new CommandError(2, `--${name}: given without --verify (expected: both)`, 'add --verify');
  }
  const trusted = keys === undefined ? undefined : await readTrusted(keys);
  await withStore(flags, io, async (session) => {
    const readings = await readAll(session, service);
    const isNone = readings.every(
      (each) => 'stored' in each && each.stored.policy === undefined && each.stored.history.length === 0,
    );
    if (isNone) {
      const [{ datacenter }] = readings as [Reading];
      const message = `${service} has no history in ${readings.map((each) => nameOf(each.datacenter)).join(', ')} that this token may read`;
      throw new ServiceHasNone(service, datacenter, message, 'run graylane policy list');
    }
    const result: unknown[] = [];
    for (const stored of answeredOf(readings, io)) {
      const signatures = trusted === undefined ? [] : verifySignatures(stored, trusted);
      const problems = verify === true ? [...verifyHistory(stored, expect), ...signatures] : undefined;
      if (problems !== undefined && problems.length > 0) io.exitCode = 1;
      result.push(logAsData(stored, limit, problems));
      if (readings.length > 1) io.line(io.colors.bold(nameOf(stored.datacenter)));
      await printLog(stored, limit, io);
      if (problems !== undefined) printVerdict(stored, problems, io);
    }
    io.json(result);
  });
}

/** One PEM block after the other. Throws a CommandError. */
async function readTrusted(file: string): Promise<TrustedKeys> {
  const text = await readText(file);
  const blocks = text.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? [text];
  const trusted = readTrustedKeys(blocks);
  if (typeof trusted === 'string') throw new CommandError(2, `--keys: ${file}${trusted}`);
  return trusted;
}

/** `policy show`, which takes its arguments in either order. */
export async function showRevision(first: string, second: string, flags: ReadFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const { service, revision = first } = await orderArguments(second, first, session);
    for (const stored of answeredOf(await readAll(session, service), io)) {
      const { entry, number } = findRevision(stored, revision);
      if (entry === undefined) {
        const next = `run graylane policy log ${service} --verify`;
        throw new CommandError(1, `number ${number} of ${service} is no history entry`, next);
      }
      io.json({ ...entry, document: parseStored(entry.document) ?? entry.document });
      printDocument(entry.document, flags.yaml, io);
    }
  });
}

async function printLog(stored: StoredPolicy, limit: number | undefined, io: CommandIo): Promise<void> {
  const { history, service, datacenter } = stored;
  if (history.length > 0) {
    await io.table(newestFirst(history, limit), {
      number: ({ number }) => number,
      revision: ({ entry }) => (entry === undefined ? 'unreadable' : (entry.revision ?? '-')),
      time: ({ entry }) => entry?.time,
      author: ({ entry }) => entry?.author,
      by: ({ entry }) => entry?.kind,
      message: ({ entry }) => entry?.message,
    });
  } else if (!io.asJson) io.note(`${service} has no history in ${nameOf(datacenter)} that this token may read`);
}

function printVerdict({ history }: StoredPolicy, problems: readonly HistoryProblem[], io: CommandIo): void {
  const { colors } = io;
  for (const { number, problem } of problems) {
    io.line(`${colors.red('not to be believed')} ${number === undefined ? '' : `number ${number}: `}${problem}`);
  }
  const last = history.at(-1)?.entry;
  if (problems.length > 0 || last === undefined) return;
  const range = `${history.length} entries, ${history[0]?.number} to ${last.number}`;
  io.line(`${colors.green('verified')} ${range}; newest digest ${last.digest}`);
}

function logAsData(
  { datacenter, service, history }: StoredPolicy,
  limit: number | undefined,
  problems: readonly HistoryProblem[] | undefined,
): object {
  const entries = newestFirst(history, limit).map(({ number, entry, createIndex, modifyIndex }) => {
    if (entry === undefined) return { number, unreadable: true };
    const { document: _, ...rest } = entry;
    return { ...rest, createIndex, modifyIndex };
  });
  return { datacenter: nameOf(datacenter), service, entries, ...defined({ problems }) };
}

function newestFirst<T>(history: readonly T[], limit: number | undefined): readonly T[] {
  return history.toReversed().slice(0, limit);
}
