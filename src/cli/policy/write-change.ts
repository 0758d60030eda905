import { defined } from '../../base/defined';
import type { ChangeKind, HistoryEntry } from '../../ops/store/history';
import type { WriteOutcome } from '../../ops/store/policy-store';
import { nameOf, type StoreSession } from '../consul/store-session';
import { counted } from '../describe';
import type { CommandIo } from '../io';
import { isUnchanged, type PlannedChange } from './planned-change';
import { changeAsData } from './show-change';

interface ChangeDescription {
  readonly kind: ChangeKind;
  readonly message: string;
  /** What to do after a lost race. */
  readonly again: string;
}

/** The changes of one service to write. */
interface ServiceWrite {
  readonly service: string;
  readonly changes: readonly PlannedChange[];
  /** Datacenters that cannot be written to. */
  readonly failures: readonly { readonly datacenter: string | undefined; readonly failure: string }[];
  readonly description: ChangeDescription;
}

/** Called for each service after its changes were written; its result is part of `--json`. */
export type AfterWriting = (service: string, datacenters: readonly (string | undefined)[]) => Promise<object>;

interface Written {
  readonly service: string;
  readonly datacenter: string;
  readonly outcome: 'written' | 'unchanged' | 'lost' | 'refused' | 'unknown' | 'failed';
  readonly entry?: HistoryEntry;
  readonly reason?: string;
}

/**
 * Writes the changes one after the other, each in its own transaction, and reports each result. Sets exit code 1 when
 * one failed.
 */
export async function writeServices(
  writes: readonly ServiceWrite[],
  { isSeveral, json }: { readonly isSeveral: boolean; readonly json: boolean },
  session: StoreSession,
  io: CommandIo,
  afterwards?: AfterWriting,
): Promise<void> {
  const shown: Record<string, unknown>[] = [];
  const counts = new Map<Written['outcome'], number>();
  const followed: (() => Promise<object | undefined>)[] = [];
  for (const write of writes) {
    const results = await writeService(write, session);
    for (const result of results) {
      const { outcome } = result;
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      if (!isSeveral || outcome !== 'unchanged') showResult(result, write.description, isSeveral, io, json);
      shown.push({ ...asData(result), ...planOf(result, write.changes) });
    }
    const isDone = results.every(({ outcome }) => outcome === 'written' || outcome === 'unchanged');
    if (!isDone) io.exitCode = 1;
    const isWaitedFor = isDone && (!isSeveral || results.some(({ outcome }) => outcome === 'written'));
    const datacenters = write.changes.map(({ stored }) => stored.datacenter);
    followed.push(async () => (isWaitedFor ? afterwards?.(write.service, datacenters) : undefined));
  }
  if (isSeveral && !json) {
    const parts = [...counts].map(([outcome, count]) => `${count} ${outcome}`);
    io.line(`${counted(writes.length, 'service')}: ${parts.join(', ')}`);
  }
  const fleets: (object | null)[] = [];
  for (const wait of followed) fleets.push((await wait()) ?? null);
  if (!json) return;
  io.json(afterwards === undefined ? shown : { results: shown, fleet: isSeveral ? fleets : fleets[0] });
}

async function writeService(
  { service, changes, failures, description }: ServiceWrite,
  session: StoreSession,
): Promise<readonly Written[]> {
  const results: Written[] = [];
  for (const change of changes) {
    const datacenter = nameOf(change.stored.datacenter);
    if (isUnchanged(change)) {
      results.push({ service, datacenter, outcome: 'unchanged' });
      continue;
    }
    const { kind, message } = description;
    const { stored: before, text } = change;
    const author = await session.author();
    const outcome = await session.store.write({ before, text, kind, author, message, time: new Date() });
    results.push({ service, datacenter, ...resultOf(outcome) });
  }
  for (const { datacenter, failure } of failures) {
    results.push({ service, datacenter: nameOf(datacenter), outcome: 'failed', reason: failure });
  }
  return results;
}

function resultOf(outcome: WriteOutcome): Pick<Written, 'outcome' | 'entry' | 'reason'> {
  switch (outcome.kind) {
    case 'written':
      return { outcome: 'written', entry: outcome.entry };
    case 'lost': {
      const winner = outcome.now.history.at(-1)?.entry;
      return { outcome: 'lost', ...defined({ entry: winner }) };
    }
    case 'refused':
    case 'unknown':
      return { outcome: outcome.kind, reason: outcome.reason };
  }
}

/** One line a datacenter: what was done on standard output, what was not on standard error. */
function showResult(
  written: Written,
  description: ChangeDescription,
  isSeveral: boolean,
  io: CommandIo,
  json: boolean,
): void {
  const { outcome, entry, reason } = written;
  const { colors } = io;
  const datacenter = isSeveral ? `${written.service} in ${written.datacenter}` : written.datacenter;
  switch (outcome) {
    case 'written':
      if (!json)
        io.line(`${colors.green('written')} ${datacenter}: number ${entry?.number}, revision ${entry?.revision}`);
      return;
    case 'unchanged':
      if (!json) io.line(`unchanged ${datacenter}: nothing to write`);
      return;
    case 'lost': {
      const winner =
        entry === undefined
          ? 'somebody changed the policy'
          : `${entry.author} wrote number ${entry.number} at ${entry.time} (${JSON.stringify(entry.message)})`;
      io.note(
        `graylane: ${datacenter}: lost the race: ${winner} meanwhile, and nothing of yours was written; ${description.again}`,
      );
      return;
    }
    case 'unknown':
      io.note(`graylane: ${datacenter}: ${reason}; it may have been written: run graylane policy log`);
      return;
    case 'refused':
    case 'failed':
      io.note(
        `graylane: ${datacenter}: not written: ${reason}; check what the ACL token permits, then ${description.again}`,
      );
  }
}

function asData({ service, datacenter, outcome, entry, reason }: Written): Record<string, unknown> {
  const named =
    entry === undefined
      ? {}
      : { number: entry.number, revision: entry.revision, author: entry.author, time: entry.time };
  return {
    service,
    datacenter,
    outcome,
    ...(outcome === 'lost' ? { winner: named } : named),
    ...defined({ reason }),
  };
}

function planOf({ datacenter }: Written, changes: readonly PlannedChange[]): Record<string, unknown> {
  const change = changes.find(({ stored }) => nameOf(stored.datacenter) === datacenter);
  if (change === undefined) return {};
  const { from, to, differences, movedCallers, remarks } = changeAsData(change);
  return { from, to, differences, movedCallers, remarks };
}
