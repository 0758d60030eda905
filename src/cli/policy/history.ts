import { stringify } from 'yaml';
import { type HistoryProblem, type StoredPolicy, verifyHistory } from '../../ops/store/history';
import { parseStored } from '../../ops/store/policy-store';
import { CommandError } from '../command-error';
import type { ConsulFlags } from '../consul/consul-connection';
import { findRevision, nameOf, readAll, withStore } from '../consul/store-session';
import type { CommandIo } from '../io';

interface LogSettings extends ConsulFlags {
  readonly json?: boolean;
  readonly limit?: number;
  readonly verify?: boolean;
  readonly expect?: string;
}

/** `policy log`. */
export async function showLog(service: string, settings: LogSettings, io: CommandIo): Promise<void> {
  if (settings.expect !== undefined && settings.verify !== true) {
    throw new CommandError(2, '--expect: given without --verify (expected: both)', 'add --verify');
  }
  await withStore(settings, io, async (session) => {
    const readings = await readAll(session, service);
    const result: unknown[] = [];
    for (const reading of readings) {
      if ('failure' in reading) {
        io.exitCode = 1;
        io.note(`graylane: ${nameOf(reading.datacenter)}: ${reading.failure}`);
        continue;
      }
      const { stored } = reading;
      const problems = settings.verify === true ? verifyHistory(stored, settings.expect) : undefined;
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

/** `policy show`. */
export async function showRevision(
  revision: string,
  service: string,
  settings: ConsulFlags & { readonly json?: boolean; readonly yaml?: boolean },
  io: CommandIo,
): Promise<void> {
  await withStore(settings, io, async (session) => {
    for (const reading of await readAll(session, service)) {
      if ('failure' in reading) {
        io.exitCode = 1;
        io.note(`graylane: ${nameOf(reading.datacenter)}: ${reading.failure}`);
        continue;
      }
      const { entry, number } = findRevision(reading.stored, revision);
      if (entry === undefined) {
        throw new CommandError(
          1,
          `number ${number} of ${service} is no history entry`,
          `run graylane policy log ${service} --verify`,
        );
      }
      const value = parseStored(entry.document);
      if (settings.json === true) io.json({ ...entry, document: value ?? entry.document });
      else if (settings.yaml === true && value !== undefined)
        io.write(stringify(value, { aliasDuplicateObjects: false }));
      else io.write(entry.document.endsWith('\n') ? entry.document : `${entry.document}\n`);
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
  return { datacenter: nameOf(datacenter), service, entries, ...(problems === undefined ? {} : { problems }) };
}

function newestFirst<T>(history: readonly T[], limit: number | undefined): readonly T[] {
  const newest = [...history].reverse();
  return limit === undefined ? newest : newest.slice(0, limit);
}
