import type { StoredEntry, StoredPolicy } from '../../ops/store/history';
import { PolicyError } from '../../policy/policy-error';
import { CommandError } from '../command-error';
import { type Capacity, MAX_LOAD_FACTOR } from '../consul/capacity';
import type { ConsulFlags } from '../consul/consul-connection';
import { effectIn } from '../consul/registry-view';
import { capacityIn } from '../consul/store-capacity';
import { findRevision, nameOf, readAll, type StoreSession, withStore } from '../consul/store-session';
import type { CommandIo } from '../io';
import { harmsOf, type PlannedChange, planChange } from './planned-change';
import { describeStep, entryBefore, orderArguments } from './rollback-target';
import { changeAsData, showChange } from './show-change';
import { writeServices } from './write-change';

interface RollbackSettings extends ConsulFlags {
  readonly json: boolean;
  readonly message?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/**
 * `policy rollback`: an emergency tool, so it warns of what moves or overloads, where `apply` refuses, and takes its arguments
 * in either order. Calls that would fail are no way out of an emergency: those are refused here, too.
 */
export async function rollBack(
  first: string,
  second: string | undefined,
  settings: RollbackSettings,
  io: CommandIo,
): Promise<void> {
  await withStore(settings, io, async (session) => {
    const { service, revision } = await orderArguments(first, second, session);
    const readings = await readAll(session, service);
    const failures: { datacenter: string | undefined; failure: string }[] = [];
    const changes: PlannedChange[] = [];
    const numbers: number[] = [];
    for (const reading of readings) {
      if ('failure' in reading) {
        failures.push(reading);
        continue;
      }
      const { stored } = reading;
      const target = revision === undefined ? entryBefore(stored) : findRevision(stored, revision);
      if (!settings.json) io.line(describeStep(stored, target));
      numbers.push(target.number);
      changes.push(await planBack(stored, target, session));
    }
    if (!settings.json) for (const change of changes) showChange(change, io);
    for (const { reshuffles, overloads } of changes)
      for (const text of [...reshuffles, ...overloads]) io.note(`${io.colors.yellow('note')} ${text}`);
    const harms = settings.force === true ? [] : changes.flatMap(harmsIn);
    if (settings.dryRun === true || harms.length > 0) {
      const result = harms.length > 0 ? 'refused' : 'planned';
      if (settings.json) io.json(changes.map((change) => ({ ...changeAsData(change), outcome: result })));
      if (harms.length > 0) throw refused(harms, service);
      for (const { datacenter, failure } of failures) io.note(`graylane: ${nameOf(datacenter)}: ${failure}`);
      if (failures.length > 0) io.exitCode = 1;
      return;
    }
    const message = settings.message ?? `back to ${revision ?? [...new Set(numbers)].join(', ')}`;
    const again = `run graylane policy log ${service}, then roll back again`;
    const told = { kind: 'rollback' as const, message, again };
    const shape = { isSeveral: false, json: settings.json };
    await writeServices([{ service, changes, failures, told }], shape, session, io);
  });
}

function harmsIn(change: PlannedChange): readonly string[] {
  return harmsOf(change).map((text) => `${nameOf(change.stored.datacenter)}: ${text}`);
}

function refused(harms: readonly string[], service: string): CommandError {
  const next = `choose another from graylane policy log ${service}, or, if it is meant, --force`;
  return new CommandError(1, `refused, nothing was written: ${harms.join('; ')}`, next);
}

async function planBack(
  stored: StoredPolicy,
  { entry, number }: StoredEntry,
  session: StoreSession,
): Promise<PlannedChange> {
  const { service } = stored;
  const wrong = (why: string): CommandError =>
    new CommandError(1, `number ${number} of ${service} ${why}`, `choose another from graylane policy log ${service}`);
  if (entry === undefined) throw wrong('is no history entry');
  const effect = effectIn(session.connection, stored, { tolerant: true });
  const plan = (capacity: Capacity | undefined): Promise<PlannedChange> =>
    planChange(stored, entry.document, capacity, effect);
  try {
    return await plan(capacityIn(session, stored, MAX_LOAD_FACTOR));
  } catch (error) {
    if (error instanceof PolicyError) throw wrong(`is not valid: ${error.problems[0]?.message ?? error.message}`);
    // Instances that cannot be listed are no reason to stay with a bad policy.
    if (error instanceof CommandError) return plan(undefined);
    throw error;
  }
}
