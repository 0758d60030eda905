import type { Candidate } from '../../base/candidate';
import { isRecord } from '../../base/is-record';
import { endCandidate } from '../../ops/candidate/held-key';
import type { StoredEntry, StoredPolicy } from '../../ops/store/history';
import { parseStored } from '../../ops/store/policy-text';
import { canonicalJson } from '../../policy/plain-data';
import { PolicyError } from '../../policy/policy-error';
import { revisionOf } from '../../policy/revision';
import { CommandError } from '../command';
import { type CapacityJudge, capacityIn } from '../consul/capacity';
import type { ConsulFlags } from '../consul/consul-connection';
import { effectIn } from '../consul/registry-view';
import {
  type Failure,
  findRevision,
  nameOf,
  noteFailure,
  type Reading,
  readAll,
  ServiceHasNone,
  type StoreSession,
  withStore,
} from '../consul/store-session';
import { MAX_LOAD_FACTOR } from '../flags';
import type { CommandIo } from '../io';
import { orderArguments } from './argument-order';
import { effectProblemsOf, type PlannedChange, planChange } from './planned-change';
import { changeAsData, showChange } from './show-change';
import { writeServices } from './write-change';

export interface RollbackFlags extends ConsulFlags {
  readonly message?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/**
 * `policy rollback`. As an emergency tool it only warns of callers that move and of overloads, where `apply` refuses,
 * and it takes its arguments in either order. It refuses changes that would make calls fail.
 */
export async function rollBack(
  first: string,
  second: string | undefined,
  flags: RollbackFlags,
  io: CommandIo,
): Promise<void> {
  await withStore(flags, io, async (session) => {
    const { service, revision } = await orderArguments(first, second, session);
    const failures: Failure[] = [];
    const changes: PlannedChange[] = [];
    const numbers = new Set<number>();
    const readings = await readAll(session, service);
    const onTheWay = revision === undefined ? readings.flatMap(gradualIn) : [];
    if (onTheWay.length > 0) return await endThose(onTheWay, flags, session, io);
    for (const reading of readings) {
      if ('failure' in reading) {
        failures.push(reading);
        continue;
      }
      const { stored } = reading;
      const target = revision === undefined ? entryBefore(stored) : findRevision(stored, revision);
      io.line(describeStep(stored, target));
      numbers.add(target.number);
      changes.push(await planBack(stored, target, session));
    }
    for (const change of changes) showChange(change, io);
    for (const text of changes.flatMap(({ reshuffles, overloads }) => [...reshuffles, ...overloads])) {
      io.note(`${io.colors.yellow('note')} ${text}`);
    }
    const harms = flags.force === true ? [] : changes.flatMap(harmsIn);
    if (flags.dryRun === true || harms.length > 0) {
      const outcome = harms.length > 0 ? 'refused' : 'planned';
      io.json(changes.map((change) => ({ ...changeAsData(change), outcome })));
      if (harms.length > 0) {
        const next = `choose another from graylane policy log ${service}, or, if it is meant, --force`;
        throw new CommandError(1, `refused, nothing was written: ${harms.join('; ')}`, next);
      }
      for (const each of failures) noteFailure(each, io);
      return;
    }
    const message = flags.message ?? `back to ${revision ?? [...numbers].join(', ')}`;
    const again = `run graylane policy log ${service}, then roll back again`;
    await writeServices([{ service, changes, failures, kind: 'rollback', message, again }], false, session, io);
  });
}

/** A policy that comes by degrees is what `rollback` without a revision goes back from: nothing of it is written yet. */
function gradualIn(reading: Reading): readonly (StoredPolicy & { readonly candidate: Candidate })[] {
  const stored = 'stored' in reading ? reading.stored : undefined;
  const isOnTheWay = stored?.candidate?.kind === 'gradual' && stored.candidate.untilMs > Date.now();
  return isOnTheWay ? [{ ...stored, candidate: stored.candidate }] : [];
}

async function endThose(
  those: ReturnType<typeof gradualIn>,
  { dryRun }: RollbackFlags,
  { connection: { client } }: StoreSession,
  io: CommandIo,
): Promise<void> {
  const shown: object[] = [];
  for (const { service, datacenter, candidate } of those) {
    if (dryRun !== true) await endCandidate({ client, service, datacenter }, candidate);
    const revision = revisionOf(candidate.document);
    const place = `${service} in ${nameOf(datacenter)}`;
    const what = `revision ${revision}, in ${candidate.percent} % of the clients by ${candidate.by}`;
    io.line(
      dryRun === true ? `${place}: would take back ${what}` : `${io.colors.green('taken back')} ${place}: ${what}`,
    );
    const outcome = dryRun === true ? 'planned' : 'taken back';
    shown.push({ service, datacenter: nameOf(datacenter), outcome, revision, percent: candidate.percent });
  }
  io.json(shown);
}

function harmsIn(change: PlannedChange): readonly string[] {
  return effectProblemsOf(change).map((text) => `${nameOf(change.stored.datacenter)}: ${text}`);
}

async function planBack(
  stored: StoredPolicy,
  { entry, number }: StoredEntry,
  session: StoreSession,
): Promise<PlannedChange> {
  const { service } = stored;
  const next = `choose another from graylane policy log ${service}`;
  const wrong = (why: string): CommandError => new CommandError(1, `number ${number} of ${service} ${why}`, next);
  if (entry === undefined) throw wrong('is no history entry');
  const effect = effectIn(session.connection, stored, { tolerant: true });
  const plan = (capacity: CapacityJudge | undefined): Promise<PlannedChange> =>
    planChange(stored, entry.document, capacity, effect);
  try {
    return await plan(capacityIn(session.connection, stored, MAX_LOAD_FACTOR));
  } catch (error) {
    if (error instanceof PolicyError) throw wrong(`is not valid: ${error.problems[0]?.message ?? error.message}`);
    // Instances that cannot be listed are no reason to stay with a bad policy.
    if (error instanceof CommandError) return plan(undefined);
    throw error;
  }
}

/**
 * Finds the newest entry before the one in force with another content, overrides apart. When a rollback wrote the one
 * in force, the search begins before the entry that it went back to, because a second rollback must not restore what
 * the first one removed. Throws a CommandError when there is none.
 */
function entryBefore(stored: StoredPolicy): StoredEntry {
  const { service, history, datacenter } = stored;
  const now = withoutOverride(stored.policy?.text ?? '');
  let at = history.length - 1;
  // Steps over the entries that all say what is in force, and over what a rollback among them has left.
  while (stored.policy !== undefined && at >= 0 && contentOf(history[at]) === now) {
    const isRollback = history[at]?.entry?.kind === 'rollback';
    const origin = isRollback ? history.findLastIndex((each, index) => index < at && contentOf(each) === now) : -1;
    at = origin === -1 ? at - 1 : origin;
  }
  const found = history.findLast((each, index) => index <= at && ![undefined, now].includes(contentOf(each)));
  if (found !== undefined) return found;
  const message = `${service} has no earlier policy in the history of ${nameOf(datacenter)}`;
  throw new ServiceHasNone(service, datacenter, message, `run graylane policy log ${service}`);
}

/** `payments in local: number 7 -> 6, written 2026-11-01T09:00:00Z by alice: canary to 5 %` */
function describeStep({ service, datacenter, history }: StoredPolicy, { number, entry }: StoredEntry): string {
  const from = history.at(-1)?.number ?? 'none';
  const what = entry === undefined ? '' : `, written ${entry.time} by ${entry.author}: ${entry.message}`;
  return `${service} in ${nameOf(datacenter)}: number ${from} -> ${number}${what}`;
}

function contentOf(stored: StoredEntry | undefined): string | undefined {
  return stored?.entry === undefined ? undefined : withoutOverride(stored.entry.document);
}

/** In a form in which equal documents are equal texts. */
function withoutOverride(text: string): string {
  const value = parseStored(text);
  if (!isRecord(value)) return text;
  const { override: _, ...rest } = value;
  return canonicalJson(rest);
}
