import type { ChangeKind, HistoryEntry } from '../../policy/store/history-entry';
import type { WriteOutcome } from '../../policy/store/policy-store';
import { nameOf, type StoreSession } from '../consul/store-session';
import type { CommandIo } from '../io';
import { isUnchanged, type PlannedChange } from './planned-change';
import { changeAsData } from './show-change';

export interface ChangeTold {
  readonly kind: ChangeKind;
  readonly message: string;
  /** What to do after a lost race. */
  readonly again: string;
}

/** Waits for what comes of it where everything was written; what it gives is shown beside the results under `--json`. */
export type AfterWriting = (datacenters: readonly (string | undefined)[]) => Promise<object>;

interface Written {
  readonly datacenter: string;
  readonly outcome: 'written' | 'unchanged' | 'lost' | 'refused' | 'unknown' | 'failed';
  readonly entry?: HistoryEntry;
  readonly reason?: string;
}

/** Writes planned changes one datacenter after the other, and says which took it. Sets exit code 1 if any did not. */
export async function writeChanges(
  changes: readonly PlannedChange[],
  failures: readonly { readonly datacenter: string | undefined; readonly failure: string }[],
  told: ChangeTold,
  session: StoreSession,
  io: CommandIo,
  json: boolean,
  afterwards?: AfterWriting,
): Promise<void> {
  const results: Written[] = [];
  for (const change of changes) {
    const datacenter = nameOf(change.stored.datacenter);
    if (isUnchanged(change)) {
      results.push({ datacenter, outcome: 'unchanged' });
      continue;
    }
    const { kind, message } = told;
    const { stored: before, text } = change;
    const outcome = await session.store.write({
      before,
      text,
      kind,
      author: await session.author(),
      message,
      time: new Date(),
    });
    results.push(resultOf(datacenter, outcome));
  }
  for (const { datacenter, failure } of failures) {
    results.push({ datacenter: nameOf(datacenter), outcome: 'failed', reason: failure });
  }
  const isDone = results.every(({ outcome }) => outcome === 'written' || outcome === 'unchanged');
  if (!isDone) io.exitCode = 1;
  for (const result of results) tell(result, told, io, json);
  const fleet = isDone ? await afterwards?.(changes.map(({ stored }) => stored.datacenter)) : undefined;
  if (!json) return;
  const shown = results.map((result) => ({ ...asData(result), ...planOf(result, changes) }));
  io.json(afterwards === undefined ? shown : { results: shown, fleet: fleet ?? null });
}

function resultOf(datacenter: string, outcome: WriteOutcome): Written {
  switch (outcome.kind) {
    case 'written':
      return { datacenter, outcome: 'written', entry: outcome.entry };
    case 'lost': {
      const winner = outcome.now.history.at(-1)?.entry;
      return { datacenter, outcome: 'lost', ...(winner === undefined ? {} : { entry: winner }) };
    }
    case 'refused':
    case 'unknown':
      return { datacenter, outcome: outcome.kind, reason: outcome.reason };
  }
}

/** One line a datacenter: what was done on standard output, what was not on standard error. */
function tell({ datacenter, outcome, entry, reason }: Written, told: ChangeTold, io: CommandIo, json: boolean): void {
  const { colors } = io;
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
        `graylane: ${datacenter}: lost the race: ${winner} meanwhile, and nothing of yours was written; ${told.again}`,
      );
      return;
    }
    case 'unknown':
      io.note(`graylane: ${datacenter}: ${reason}; it may have been written: run graylane policy log`);
      return;
    case 'refused':
    case 'failed':
      io.note(`graylane: ${datacenter}: not written: ${reason}; check what the ACL token permits, then ${told.again}`);
  }
}

function asData({ datacenter, outcome, entry, reason }: Written): Record<string, unknown> {
  const named =
    entry === undefined
      ? {}
      : { number: entry.number, revision: entry.revision, author: entry.author, time: entry.time };
  return {
    datacenter,
    outcome,
    ...(outcome === 'lost' ? { winner: named } : named),
    ...(reason === undefined ? {} : { reason }),
  };
}

function planOf({ datacenter }: Written, changes: readonly PlannedChange[]): Record<string, unknown> {
  const change = changes.find(({ stored }) => nameOf(stored.datacenter) === datacenter);
  if (change === undefined) return {};
  const { from, to, differences, movedCallers, remarks } = changeAsData(change);
  return { from, to, differences, movedCallers, remarks };
}
