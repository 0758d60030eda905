import { documentText } from '../../ops/store/policy-text';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { inSlices, readAll, type StoreSession, withStore } from '../consul/store-session';
import type { WaitSettings } from '../fleet/wait';
import type { CommandIo } from '../io';
import { readValidPolicies, type ValidPolicy } from '../policy-files';
import {
  type ApplyLimits,
  isDifferent,
  isUnchanged,
  noteFailures,
  type PlannedService,
  planService,
  type Refusal,
  refusalsOf,
} from './planned-change';
import { changeAsData, showChange } from './show-change';
import { type AfterWriting, writeServices } from './write-change';

export interface ApplySettings extends ConsulFlags, ApplyLimits {
  readonly json: boolean;
  readonly message: string;
  readonly dryRun?: boolean;
  /**
   * Called after the change was shown, for the message of the history; undefined cancels. Default: `message` is used.
   */
  readonly confirm?: () => Promise<string | undefined>;
  /** Waits until every process follows the policy. */
  readonly wait?: WaitSettings;
}

/** `policy apply`: everything is judged in every datacenter before anything is written in one. */
export async function applyFiles(paths: readonly string[], settings: ApplySettings, io: CommandIo): Promise<void> {
  const valid = await readValidPolicies(paths, io, settings.json);
  if (valid.length > 1 && settings.ifRevision !== undefined) {
    const message = `--if-revision: with the policies of ${valid.length} services (expected: of one)`;
    throw new CommandError(2, message, 'apply that one alone');
  }
  await withStore(settings, io, async (session) => {
    const planned = await inSlices(valid, (each) => planService(each, session, settings));
    await carryOut({ planned, isSeveral: planned.length > 1 }, settings, session, io);
  });
}

/** Applies a text that comes from no file. Throws a PolicyError when it is not a valid policy. */
export async function applyText(policy: ValidPolicy, settings: ApplySettings, io: CommandIo): Promise<void> {
  await withStore(settings, io, async (session) => {
    const planned = [await planService(policy, session, settings)];
    await carryOut({ planned, isSeveral: false }, settings, session, io);
  });
}

interface Work {
  readonly planned: readonly PlannedService[];
  /** Refusals that concern all services. */
  readonly further?: readonly Refusal[];
  /** Messages name the service, and unchanged services are only counted. */
  readonly isSeveral: boolean;
}

/** Shows what was planned, and writes it unless something speaks against any of it. */
export async function carryOut(
  { planned, further = [], isSeveral }: Work,
  settings: ApplySettings,
  session: StoreSession,
  io: CommandIo,
): Promise<void> {
  const { json } = settings;
  const changes = planned.flatMap((each) => each.changes);
  if (!json) for (const change of changes) if (!isSeveral || !isUnchanged(change)) showChange(change, io);
  const judged = planned.map((each) => ({ each, refusals: refusalsOf(each, settings, isSeveral) }));
  const refusals = [...further, ...judged.flatMap((one) => one.refusals)];
  if (refusals.length > 0 || settings.dryRun === true) {
    if (json) {
      io.json(
        judged.flatMap(({ each, refusals: own }) =>
          each.changes.map((change) => ({
            ...changeAsData(change),
            outcome: own.length > 0 || further.length > 0 ? 'refused' : 'planned',
          })),
        ),
      );
    }
    for (const each of planned) noteFailures(each, isSeveral, io);
    if (refusals.length > 0 || planned.some(({ failures }) => failures.length > 0)) io.exitCode = 1;
    if (refusals.length > 0) throw refused(refusals);
    if (isSeveral && !json) io.line(`${planned.length} services: ${planned.filter(isDifferent).length} would change`);
    return;
  }
  const isAsked = settings.confirm !== undefined && planned.some(isDifferent);
  const message = isAsked ? await settings.confirm?.() : settings.message;
  if (message === undefined) throw new CommandError(1, 'nothing was written');
  const writes = planned.map((each) => ({
    ...each,
    description: { kind: 'apply' as const, message, again: each.again },
  }));
  await writeServices(writes, { isSeveral, json }, session, io, await waiting(session, settings, io));
}

/** Loaded only where it is asked for. The services share the time. */
async function waiting(
  { connection }: StoreSession,
  { wait, json }: ApplySettings,
  io: CommandIo,
): Promise<AfterWriting | undefined> {
  if (wait === undefined) return undefined;
  const { waitForFleet } = await import('../fleet/wait.js');
  let endsMs: number | undefined;
  return (service, datacenters) => {
    const nowMs = performance.now();
    endsMs ??= nowMs + wait.waitMs;
    const left = { ...wait, waitMs: Math.max(0, Math.round(endsMs - nowMs)) };
    return waitForFleet(service, datacenters, left, connection, io, json);
  };
}

function refused(refusals: readonly Refusal[]): CommandError {
  const flags = [...new Set(refusals.map(({ flag }) => flag))].join(' ');
  const texts = refusals.map(({ text }) => text).join('; ');
  return new CommandError(1, `refused, nothing was written: ${texts}`, `change it, or, if it is meant, ${flags}`);
}

/** `policy delete`: ends with 1 when there is none. */
export async function deletePolicy(service: string, settings: ApplySettings, io: CommandIo): Promise<void> {
  const isThere = await withStore(settings, io, async (session) => {
    const readings = await readAll(session, service);
    return readings.some((reading) => 'stored' in reading && reading.stored.policy !== undefined);
  });
  if (!isThere) throw new CommandError(1, `${service} has no policy`, 'run graylane policy list');
  const text = documentText({ schema: 1, service, tombstone: true });
  const again = `run graylane policy get ${service}, then delete again`;
  await applyText({ service, text, again }, settings, io);
}
