import { isRecord } from '../../base/is-record';
import { hasEnded } from '../../ops/rollout/record';
import { parseStored } from '../../ops/store/policy-text';
import { ownValue } from '../../policy/plain-data';
import { CommandError } from '../command';
import {
  type Failure,
  inSlices,
  nameOf,
  noteFailure,
  orFailure,
  readEvery,
  type StoreSession,
  withStore,
} from '../consul/store-session';
import type { CommandIo } from '../io';
import { isFolder, readValidPolicies } from '../policy-files';
import { type ApplyFlags, carryOut, checkApplyFlags, tombstoneOf } from './apply-files';
import { isDifferent, type PlannedService, planService, type Refusal } from './planned-change';
import { showDifferences } from './show-change';

interface SyncFlags extends ApplyFlags {
  readonly prune?: boolean;
  /** Only tells what differs. */
  readonly check?: boolean;
  readonly markdown?: boolean;
}

/** `policy sync`. Writes as `apply` does, and only what differs. */
export async function syncFolder(folder: string, flags: SyncFlags, io: CommandIo): Promise<void> {
  const { check, markdown, prune, force } = flags;
  if (markdown === true && check !== true) {
    throw new CommandError(2, '--markdown: without --check (expected: both)', 'add --check');
  }
  checkApplyFlags(check === true ? { ...flags, dryRun: true } : flags);
  if (!(await isFolder(folder))) {
    throw new CommandError(2, `${folder}: no folder (expected: one with a policy for each service)`, 'check its name');
  }
  const valid = await readValidPolicies([folder], io);
  await withStore(flags, io, async (session) => {
    const limits = check === true ? undefined : flags;
    const named = await inSlices(valid, (each) => planService(each, session, limits));
    const others = await othersInConsul(new Set(valid.map(({ service }) => service)), session);
    const again = `run graylane policy sync ${folder} again`;
    const pruned = await inSlices(prune === true ? others.services : [], ({ service, datacenters }) =>
      planService({ service, text: tombstoneOf(service), again }, { ...session, datacenters }, limits),
    );
    for (const { service, datacenters } of prune === true ? [] : others.services) {
      const where = `${datacenters.map(nameOf).join(', ')} and none in ${folder}`;
      io.note(`${io.colors.yellow('note')} ${service} has a policy in ${where}; --prune deletes it`);
    }
    for (const each of others.failures) noteFailure(each, io);
    const all = [...named, ...pruned];
    const left = force === true ? new Set() : await leftToRollouts(all.filter(isDifferent), session, io);
    const planned = all.filter(({ service }) => !left.has(service));
    if (check === true) {
      const differing = planned.filter((each) => isDifferent(each) || each.failures.length > 0);
      showDifferences(differing, markdown, io);
      const text = `${planned.length} services: ${differing.length} differ, ${planned.length - differing.length} do not`;
      if (markdown !== true) io.line(text);
      return;
    }
    const further = force === true ? [] : wrongFolder(pruned, others.counts, folder);
    await carryOut({ planned, further, isSeveral: true }, flags, session, io);
  });
}

interface Others {
  readonly services: readonly { readonly service: string; readonly datacenters: readonly (string | undefined)[] }[];
  /** Policies in each datacenter, those of the folder included. */
  readonly counts: ReadonlyMap<string | undefined, number>;
  readonly failures: readonly Failure[];
}

/**
 * Services that have a policy in Consul and none in the folder; those that say they have none any more are left out.
 */
async function othersInConsul(known: ReadonlySet<string>, session: StoreSession): Promise<Others> {
  const found = new Map<string, (string | undefined)[]>();
  const counts = new Map<string | undefined, number>();
  const failures: Failure[] = [];
  for (const datacenter of session.datacenters) {
    const stored = await orFailure(readEvery(session, datacenter));
    if ('failure' in stored) {
      failures.push({ datacenter, failure: stored.failure });
      continue;
    }
    const there = stored.filter(({ policy }) => {
      const value = policy === undefined ? undefined : parseStored(policy.text);
      return policy !== undefined && !(isRecord(value) && ownValue(value, 'tombstone') === true);
    });
    counts.set(datacenter, there.length);
    for (const { service } of there) {
      if (!known.has(service)) found.set(service, [...(found.get(service) ?? []), datacenter]);
    }
  }
  return { services: [...found].map(([service, datacenters]) => ({ service, datacenters })), counts, failures };
}

/** Refuses to delete most policies: most likely the folder is the wrong one. */
function wrongFolder(pruned: readonly PlannedService[], counts: Others['counts'], folder: string): readonly Refusal[] {
  return [...counts].flatMap(([datacenter, count]) => {
    const of = pruned.filter(({ changes }) => changes.some(({ stored }) => stored.datacenter === datacenter)).length;
    if (of * 2 <= count) return [];
    const text = `${nameOf(datacenter)}: ${of} of ${count} policies would be deleted, since ${folder} does not have them`;
    return [{ text: `${text} (expected: at most half)`, flag: '--force' }];
  });
}

/**
 * The services with a rollout under way. A rollout pauses when another writer changes the policy, so these services are
 * left out.
 */
async function leftToRollouts(
  differing: readonly PlannedService[],
  { rollouts }: StoreSession,
  io: CommandIo,
): Promise<ReadonlySet<string>> {
  const names = differing.map(({ service }) => service);
  const isUnderWay = await inSlices(names, async (service) => {
    // A token that may write policies need not have the right to read rollouts.
    const stored = await rollouts.read(service).catch(() => undefined);
    return stored?.record !== undefined && !hasEnded(stored.record.progress);
  });
  const left = names.filter((_, at) => isUnderWay[at]);
  for (const service of left) {
    io.note(`${io.colors.yellow('note')} ${service} is left as it is: a rollout is under way; --force writes it`);
  }
  return new Set(left);
}
