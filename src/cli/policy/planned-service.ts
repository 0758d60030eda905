import { effectIn } from '../consul/registry-view';
import { capacityIn } from '../consul/store-capacity';
import { nameOf, readAll, type StoreSession } from '../consul/store-session';
import type { CommandIo } from '../io';
import { harmsOf, isUnchanged, type PlannedChange, planChange } from './planned-change';
import type { SoundPolicy } from './sound-policies';

/** What speaks against a change unless a flag says that it is meant. */
export interface Refusal {
  readonly text: string;
  readonly flag: string;
}

/** What a text would change in each datacenter asked about. */
export interface PlannedService {
  readonly service: string;
  readonly again: string;
  readonly changes: readonly PlannedChange[];
  /** Of datacenters that did not say what they have. */
  readonly failures: readonly { readonly datacenter: string | undefined; readonly failure: string }[];
}

/** What makes a change one that is not refused. */
export interface ApplyLimits {
  readonly allowReshuffle?: boolean;
  readonly force?: boolean;
  readonly maxLoadFactor: number;
  readonly ifRevision?: string;
}

/**
 * Reads what stands there and judges the text against it. `limits` undefined: only to show, so instances that cannot be read are
 * told, not thrown. Otherwise throws a CommandError then, and when no datacenter answers.
 */
export async function planService(
  { service, text, again }: SoundPolicy,
  session: StoreSession,
  limits: ApplyLimits | undefined,
): Promise<PlannedService> {
  const readings = await readAll(session, service);
  const changes: PlannedChange[] = [];
  for (const reading of readings) {
    if ('failure' in reading) continue;
    const { stored } = reading;
    const capacity = limits === undefined ? undefined : capacityIn(session, stored, limits.maxLoadFactor);
    const effect = effectIn(session.connection, stored, { tolerant: limits === undefined });
    changes.push(await planChange(stored, text, capacity, effect));
  }
  return { service, again, changes, failures: readings.filter((reading) => 'failure' in reading) };
}

/** `isSeveral`: the texts name the service, too. */
export function refusalsOf({ changes }: PlannedService, limits: ApplyLimits, isSeveral: boolean): readonly Refusal[] {
  return changes.flatMap((change) => refusalsIn(change, limits, isSeveral));
}

function refusalsIn(change: PlannedChange, limits: ApplyLimits, isSeveral: boolean): readonly Refusal[] {
  const refusals: Refusal[] = [];
  const { service, datacenter } = change.stored;
  const place = isSeveral ? `${service} in ${nameOf(datacenter)}` : nameOf(datacenter);
  const { ifRevision } = limits;
  const found = change.before?.revision ?? 'none';
  if (ifRevision !== undefined && !(ifRevision.length >= 4 && found.startsWith(ifRevision))) {
    refusals.push({
      text: `${place}: revision ${found} is in force (expected: ${ifRevision})`,
      flag: 'look at graylane policy log',
    });
  }
  if (limits.allowReshuffle !== true) {
    for (const text of change.reshuffles) refusals.push({ text: `${place}: ${text}`, flag: '--allow-reshuffle' });
  }
  if (limits.force !== true) {
    for (const text of [...harmsOf(change), ...change.overloads]) {
      refusals.push({ text: `${place}: ${text}`, flag: '--force' });
    }
  }
  return refusals;
}

/** Something of it would be written. */
export function isDifferent({ changes }: PlannedService): boolean {
  return !changes.every(isUnchanged);
}

export function noteFailures({ service, failures }: PlannedService, isSeveral: boolean, io: CommandIo): void {
  for (const { datacenter, failure } of failures) {
    io.note(`graylane: ${isSeveral ? `${service} in ` : ''}${nameOf(datacenter)}: ${failure}`);
  }
}
