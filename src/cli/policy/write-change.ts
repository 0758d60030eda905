import { defined } from '../../base/defined';
import type { ChangeKind, HistoryEntry } from '../../ops/store/history';
import { consulNextStep } from '../consul/next-step';
import { nameOf, type StoreSession } from '../consul/store-session';
import { counted } from '../describe';
import type { CommandIo } from '../io';
import { isUnchanged, type PlannedChange, type PlannedService } from './planned-change';
import { changeAsData } from './show-change';

/** The changes of one service to write. */
interface ServiceWrite extends PlannedService {
  readonly kind: ChangeKind;
  readonly message: string;
}

/** Called for each service after its changes were written; its result is part of `--json`. */
export type AfterWriting = (service: string, datacenters: readonly (string | undefined)[]) => Promise<object>;

interface Written {
  readonly service: string;
  readonly datacenter: string;
  readonly outcome: 'written' | 'unchanged' | 'lost' | 'refused' | 'unknown' | 'failed';
  /** What was written, or what another writer wrote. */
  readonly entry?: HistoryEntry | undefined;
  readonly reason?: string;
  readonly change?: PlannedChange;
}

/**
 * Writes the changes one after the other, each in its own transaction, and reports each result. Sets exit code 1 when
 * one failed.
 */
export async function writeServices(
  writes: readonly ServiceWrite[],
  isSeveral: boolean,
  session: StoreSession,
  io: CommandIo,
  afterwards?: AfterWriting,
): Promise<void> {
  const shown: object[] = [];
  const counts = new Map<Written['outcome'], number>();
  const followed: (() => Promise<object | undefined>)[] = [];
  for (const write of writes) {
    const results = await writeService(write, session);
    for (const result of results) {
      const { outcome } = result;
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      if (!isSeveral || outcome !== 'unchanged') showResult(result, write.again, isSeveral, io);
      shown.push(asData(result));
    }
    const isDone = results.every(({ outcome }) => outcome === 'written' || outcome === 'unchanged');
    if (!isDone) io.exitCode = 1;
    const isWaitedFor = isDone && (!isSeveral || results.some(({ outcome }) => outcome === 'written'));
    const datacenters = write.changes.map(({ stored }) => stored.datacenter);
    followed.push(async () => (isWaitedFor ? afterwards?.(write.service, datacenters) : undefined));
  }
  if (isSeveral) {
    const parts = [...counts].map(([outcome, count]) => `${count} ${outcome}`);
    io.line(`${counted(writes.length, 'service')}: ${parts.join(', ')}`);
  }
  const fleets: (object | null)[] = [];
  for (const wait of followed) fleets.push((await wait()) ?? null);
  io.json(afterwards === undefined ? shown : { results: shown, fleet: isSeveral ? fleets : fleets[0] });
}

async function writeService(
  { service, changes, failures, kind, message }: ServiceWrite,
  session: StoreSession,
): Promise<readonly Written[]> {
  const results: Written[] = [];
  for (const change of changes) {
    const { stored: before, text } = change;
    const named = { service, datacenter: nameOf(before.datacenter), change };
    if (isUnchanged(change)) {
      results.push({ ...named, outcome: 'unchanged' });
      continue;
    }
    const author = await session.author();
    const outcome = await session.policies.write({ before, text, kind, author, message, time: new Date() });
    if (outcome.kind === 'written') results.push({ ...named, outcome: 'written', entry: outcome.entry });
    else if (outcome.kind === 'lost') {
      results.push({ ...named, outcome: 'lost', entry: outcome.now.history.at(-1)?.entry });
    } else results.push({ ...named, outcome: outcome.kind, reason: outcome.reason });
  }
  for (const { datacenter, failure } of failures) {
    results.push({ service, datacenter: nameOf(datacenter), outcome: 'failed', reason: failure });
  }
  return results;
}

/** One line a datacenter: what was done on standard output, what was not on standard error. */
function showResult(written: Written, again: string, isSeveral: boolean, io: CommandIo): void {
  const { service, outcome, entry } = written;
  const place = isSeveral ? `${service} in ${written.datacenter}` : written.datacenter;
  if (outcome === 'written') {
    io.line(`${io.colors.green('written')} ${place}: number ${entry?.number}, revision ${entry?.revision}`);
  } else if (outcome === 'unchanged') io.line(`unchanged ${place}: nothing to write`);
  else io.note(`graylane: ${place}: ${whyNot(written, again)}`);
}

function whyNot({ outcome, entry, reason }: Written, again: string): string {
  if (outcome === 'unknown') return `${reason}; it may have been written: run graylane policy log`;
  if (outcome !== 'lost') {
    return `not written: ${reason}; ${consulNextStep(reason ?? '')}, then ${again}`;
  }
  const winner =
    entry === undefined
      ? 'somebody changed the policy'
      : `${entry.author} wrote number ${entry.number} at ${entry.time} (${JSON.stringify(entry.message)})`;
  return `lost the race: ${winner} meanwhile, and nothing of yours was written; ${again}`;
}

function asData({ service, datacenter, outcome, entry, reason, change }: Written): object {
  const { number, revision, author, time } = entry ?? {};
  const named = entry === undefined ? {} : { number, revision, author, time };
  const result = { service, datacenter, outcome, ...(outcome === 'lost' ? { winner: named } : named) };
  const why = defined({ reason });
  if (change === undefined) return { ...result, ...why };
  const { from, to, differences, movedCallers, remarks } = changeAsData(change);
  return { ...result, ...why, from, to, differences, movedCallers, remarks };
}
