import { defined } from '../../base/defined';
import type { StoredPolicy } from '../../ops/store/history';
import { documentText } from '../../ops/store/policy-text';
import type { GradualFlags } from '../candidate/gradual-apply';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { inSlices, ServiceHasNone, type StoreSession, withStore } from '../consul/store-session';
import { checkSources, type FleetSources } from '../flags';
import type { CommandIo } from '../io';
import { readValidPolicies } from '../policy-files';
import {
  type ApplyLimits,
  isDifferent,
  isUnchanged,
  noteFailures,
  type PlannedService,
  type PolicyText,
  planService,
  type Refusal,
  refusalsOf,
} from './planned-change';
import { changeAsData, showChange } from './show-change';
import { type AfterWriting, writeServices } from './write-change';

/** The options of every command that writes policies. */
export interface ApplyFlags extends ConsulFlags, FleetSources, ApplyLimits, GradualFlags {
  /** For how long to wait until every process follows the policy. Milliseconds. */
  readonly wait?: number;
  readonly message?: string;
  readonly dryRun?: boolean;
}

/** Refuses wrong options before anything is read or written. Throws a CommandError. */
export function checkApplyFlags({ wait, prometheus, url, dryRun, message = '' }: ApplyFlags): void {
  if (dryRun !== true && message.trim() === '') {
    throw new CommandError(2, '--message: missing (expected: why, for the history)', "add -m 'canary to 25 %'");
  }
  if (wait === undefined) {
    if (prometheus === undefined && url === undefined) return;
    throw new CommandError(2, '--wait: missing (expected: how long, with --prometheus and --url)', 'add --wait 30s');
  }
  if (dryRun === true) throw new CommandError(2, '--wait: with --dry-run (expected: one of them)', 'leave one out');
  checkSources(defined({ prometheus, url }));
}

/** `policy apply`: everything is judged in every datacenter before anything is written in one. */
export async function applyFiles(paths: readonly string[], flags: ApplyFlags, io: CommandIo): Promise<void> {
  checkApplyFlags(flags);
  if (isGradual(flags)) (await import('../candidate/gradual-apply.js')).checkGradual(flags);
  const valid = await readValidPolicies(paths, io);
  if (valid.length > 1 && flags.ifRevision !== undefined) {
    const message = `--if-revision: with the policies of ${valid.length} services (expected: of one)`;
    throw new CommandError(2, message, 'apply that one alone');
  }
  await withStore(flags, io, async (session) => {
    const planned = await inSlices(valid, (each) => planService(each, session, flags));
    await carryOut({ planned, isSeveral: planned.length > 1 }, flags, session, io);
  });
}

/** What puts a policy in force by degrees is loaded only where it is asked for. */
function isGradual({ gradual, step, maxExcess, minCalls, listen, advertise }: GradualFlags): boolean {
  return [gradual, step, maxExcess, minCalls, listen, advertise].some((flag) => flag !== undefined);
}

/** Applies a text that comes from no file. Throws a PolicyError when the text is not a valid policy. */
export async function applyText(
  policy: PolicyText,
  flags: ApplyFlags,
  io: CommandIo,
  confirm?: Work['confirm'],
): Promise<void> {
  await withStore(flags, io, async (session) => {
    const planned = [await planService(policy, session, flags)];
    await carryOut({ planned, isSeveral: false, confirm }, flags, session, io);
  });
}

interface Work {
  readonly planned: readonly PlannedService[];
  /** Refusals that concern all services. */
  readonly further?: readonly Refusal[];
  /** Messages name the service, and unchanged services are only counted. */
  readonly isSeveral: boolean;
  /** Called after the change was shown, for the message of the history; undefined cancels. */
  readonly confirm?: (() => Promise<string | undefined>) | undefined;
}

/** Shows the planned changes. Writes all of them, or none when one is refused. */
export async function carryOut(
  { planned, further = [], isSeveral, confirm }: Work,
  flags: ApplyFlags,
  session: StoreSession,
  io: CommandIo,
): Promise<void> {
  for (const change of planned.flatMap((each) => each.changes)) {
    if (!isSeveral || !isUnchanged(change)) showChange(change, io);
  }
  const judged = planned.map((each) => ({ each, refusals: refusalsOf(each, flags, isSeveral) }));
  const refusals = [...further, ...judged.flatMap((one) => one.refusals)];
  if (refusals.length > 0 || flags.dryRun === true) {
    io.json(
      judged.flatMap(({ each, refusals: own }) => {
        const outcome = own.length > 0 || further.length > 0 ? 'refused' : 'planned';
        return each.changes.map((change) => ({ ...changeAsData(change), outcome }));
      }),
    );
    for (const each of planned) noteFailures(each, isSeveral, io);
    if (refusals.length > 0) throw refused(refusals);
    if (isSeveral) io.line(`${planned.length} services: ${planned.filter(isDifferent).length} would change`);
    return;
  }
  const isAsked = confirm !== undefined && planned.some(isDifferent);
  const message = isAsked ? await confirm() : (flags.message ?? '');
  if (message === undefined) throw new CommandError(1, 'nothing was written');
  const write = async (told: string): Promise<void> => {
    const writes = planned.map((each) => ({ ...each, kind: 'apply' as const, message: told }));
    await writeServices(writes, isSeveral, session, io, await waiting(session, flags, io));
  };
  const { gradual } = flags;
  if (gradual === undefined) return write(message);
  const { applyGradually } = await import('../candidate/gradual-apply.js');
  const passed = await applyGradually(planned, { ...flags, gradual }, session, io);
  if (passed === undefined) return;
  try {
    await write(`${message} (${passed.told})`);
  } finally {
    await passed.end();
  }
}

/** Loaded only where it is asked for. The services share the time. */
async function waiting(
  { connection }: StoreSession,
  { wait, prometheus, url }: ApplyFlags,
  io: CommandIo,
): Promise<AfterWriting | undefined> {
  if (wait === undefined) return undefined;
  const { waitForFleet } = await import('../fleet/wait.js');
  let endsMs: number | undefined;
  return (service, datacenters) => {
    const nowMs = performance.now();
    endsMs ??= nowMs + wait;
    const waitMs = Math.max(0, Math.round(endsMs - nowMs));
    return waitForFleet(service, datacenters, defined({ waitMs, prometheus, url }), connection, io);
  };
}

function refused(refusals: readonly Refusal[]): CommandError {
  const flags = [...new Set(refusals.map(({ flag }) => flag))].join(' ');
  const texts = refusals.map(({ text }) => text).join('; ');
  return new CommandError(1, `refused, nothing was written: ${texts}`, `change it, or, if it is meant, ${flags}`);
}

/** `policy delete`: ends with 1 when there is none. */
export async function deletePolicy(service: string, flags: ApplyFlags, io: CommandIo): Promise<void> {
  checkApplyFlags(flags);
  const text = ({ datacenter }: StoredPolicy, all: readonly StoredPolicy[]): string => {
    if (all.some(({ policy }) => policy !== undefined)) return tombstoneOf(service);
    throw new ServiceHasNone(service, datacenter, `${service} has no policy`, 'run graylane policy list');
  };
  await applyText({ service, text, again: `run graylane policy get ${service}, then delete again` }, flags, io);
}

/** In place of a policy: a key that only vanishes leaves the last policy in force in every client. */
export function tombstoneOf(service: string): string {
  return documentText({ schema: 1, service, tombstone: true });
}
