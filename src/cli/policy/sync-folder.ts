import { GraylaneError } from '../../base/errors';
import { isRecord } from '../../base/is-record';
import { hasEnded } from '../../ops/rollout/record';
import { createRolloutStore } from '../../ops/rollout/store';
import { documentText, parseStored } from '../../ops/store/policy-text';
import { ownValue } from '../../policy/plain-data';
import { CommandError } from '../command';
import { inSlices, nameOf, type StoreSession, withStore } from '../consul/store-session';
import type { CommandIo } from '../io';
import { isFolder, readValidPolicies } from '../policy-files';
import { type ApplySettings, carryOut } from './apply-files';
import { isDifferent, type PlannedService, planService, type Refusal } from './planned-change';
import { type DiffShape, showDifferences } from './show-change';

export interface SyncSettings extends ApplySettings, DiffShape {
  readonly prune?: boolean;
  /** Only tells what differs. */
  readonly check?: boolean;
}

/** `policy sync`. Writes as `apply` does, and only what differs. */
export async function syncFolder(folder: string, settings: SyncSettings, io: CommandIo): Promise<void> {
  if (!(await isFolder(folder))) {
    throw new CommandError(2, `${folder}: no folder (expected: one with a policy for each service)`, 'check its name');
  }
  const valid = await readValidPolicies([folder], io, settings.json);
  await withStore(settings, io, async (session) => {
    const limits = settings.check === true ? undefined : settings;
    const named = await inSlices(valid, (each) => planService(each, session, limits));
    const others = await othersInConsul(new Set(valid.map(({ service }) => service)), session);
    const pruned =
      settings.prune === true
        ? await inSlices(others.services, (each) => planDeletion(each, folder, session, limits))
        : [];
    if (settings.prune !== true) noteOthers(others.services, folder, io);
    for (const failure of others.failures) io.note(`graylane: ${failure}`);
    if (others.failures.length > 0) io.exitCode = 1;
    const all = [...named, ...pruned];
    const left = settings.force === true ? new Set() : await leftToRollouts(all.filter(isDifferent), session, io);
    const planned = all.filter(({ service }) => !left.has(service));
    if (settings.check === true) {
      const differing = planned.filter((each) => isDifferent(each) || each.failures.length > 0);
      showDifferences(differing, settings, io);
      if (!settings.json && settings.markdown !== true) {
        io.line(`${planned.length} services: ${differing.length} differ, ${planned.length - differing.length} do not`);
      }
      return;
    }
    const further = wrongFolder(pruned, others.counts, folder, settings);
    await carryOut({ planned, further, isSeveral: true }, settings, session, io);
  });
}

interface Other {
  readonly service: string;
  readonly datacenters: readonly (string | undefined)[];
}

interface Others {
  readonly services: readonly Other[];
  /** Policies in each datacenter, those of the folder included. */
  readonly counts: ReadonlyMap<string | undefined, number>;
  /** Of datacenters that did not say, each as a sentence. */
  readonly failures: readonly string[];
}

/**
 * Services that have a policy in Consul and none in the folder; those that say they have none any more are left out.
 */
async function othersInConsul(known: ReadonlySet<string>, { store, datacenters }: StoreSession): Promise<Others> {
  const found = new Map<string, (string | undefined)[]>();
  const counts = new Map<string | undefined, number>();
  const failures: string[] = [];
  for (const datacenter of datacenters) {
    try {
      const services = await store.services(datacenter);
      const isThere = await inSlices(services, async (service) => {
        const { policy } = await store.read(service, datacenter);
        const value = policy === undefined ? undefined : parseStored(policy.text);
        return policy !== undefined && !(isRecord(value) && ownValue(value, 'tombstone') === true);
      });
      const there = services.filter((_, at) => isThere[at]);
      counts.set(datacenter, there.length);
      for (const service of there) {
        if (!known.has(service)) found.set(service, [...(found.get(service) ?? []), datacenter]);
      }
    } catch (error) {
      if (!GraylaneError.is(error)) throw error;
      failures.push(`${nameOf(datacenter)}: ${error.message}`);
    }
  }
  return { services: [...found].map(([service, where]) => ({ service, datacenters: where })), counts, failures };
}

function noteOthers(others: readonly Other[], folder: string, io: CommandIo): void {
  for (const { service, datacenters } of others) {
    const where = datacenters.map(nameOf).join(', ');
    io.note(
      `${io.colors.yellow('note')} ${service} has a policy in ${where} and none in ${folder}; --prune deletes it`,
    );
  }
}

/**
 * By a tombstone, as `policy delete` does: a key that only vanishes leaves the last policy in force in every client.
 */
async function planDeletion(
  { service, datacenters }: Other,
  folder: string,
  session: StoreSession,
  limits: ApplySettings | undefined,
): Promise<PlannedService> {
  const text = documentText({ schema: 1, service, tombstone: true });
  const again = `run graylane policy sync ${folder} again`;
  return planService({ service, text, again }, { ...session, datacenters }, limits);
}

/** Another folder than was meant would delete everything. */
function wrongFolder(
  pruned: readonly PlannedService[],
  counts: Others['counts'],
  folder: string,
  { force }: ApplySettings,
): readonly Refusal[] {
  if (force === true) return [];
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
  { connection }: StoreSession,
  io: CommandIo,
): Promise<ReadonlySet<string>> {
  const rollouts = createRolloutStore(connection.client);
  const names = differing.map(({ service }) => service);
  const isUnderWay = await inSlices(names, async (service) => {
    // Who may write policies may not have to read rollouts.
    const record = await rollouts.read(service).then(
      (stored) => stored.record,
      () => undefined,
    );
    return record !== undefined && !hasEnded(record.progress);
  });
  const left = names.filter((_, at) => isUnderWay[at]);
  for (const service of left) {
    io.note(`${io.colors.yellow('note')} ${service} is left as it is: a rollout is under way; --force writes it`);
  }
  return new Set(left);
}
