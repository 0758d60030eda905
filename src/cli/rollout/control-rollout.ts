import { sleep } from '../../base/sleep';
import { NO_CONFIG } from '../../ops/rollout/config/controller-config';
import { controlRollout } from '../../ops/rollout/control';
import { type ReconcileResult, reconcile } from '../../ops/rollout/reconcile';
import type { RolloutRecord } from '../../ops/rollout/record';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { readRollout, type StoreSession, withOneStore } from '../consul/store-session';
import type { CommandIo } from '../io';
import { createRolloutContext } from './controller-setup';
import { describePlace, recordAsData } from './rollout-view';

interface ControlFlags extends ConsulFlags {
  readonly full?: boolean;
  readonly message?: string;
}

/** By the name of the command. */
const DONE = {
  pause: 'paused',
  resume: 'resumed',
  approve: 'approved',
  promote: 'promoted',
  abort: 'aborted',
} as const;
/** A controller may be in the middle of a write of its own. */
const ROLLBACK_TURNS = 50;
const AFTERWARDS: ReadonlySet<string> = new Set(['notify', 'gate', 'deployment']);

/** `rollout pause`, `resume`, `approve`, `promote` and `abort`. */
export async function controlFromFlags(
  service: string,
  flags: ControlFlags,
  io: CommandIo,
  command: { name(): string },
): Promise<void> {
  const action = command.name() as keyof typeof DONE;
  const done = DONE[action];
  await withOneStore(flags, io, async (session) => {
    const { policies, rollouts } = session;
    await readRollout(session, service);
    const by = await session.author();
    const reason = (flags.message ?? '').trim();
    if (action === 'approve' && reason === '') {
      throw new CommandError(2, '--message: missing (expected: what the approval rests on)', 'add -m TEXT');
    }
    const asked = { policies, rollouts, by, now: Date.now, ...(reason === '' ? {} : { reason }) };
    const controlled = await controlRollout(service, flags.full === true ? 'promote-full' : action, asked);
    if (controlled.kind === 'refused') throw new CommandError(1, controlled.reason, controlled.nextStep);
    const record = action === 'abort' ? await takeBack(service, session, by) : controlled.record;
    io.json({ outcome: done, ...recordAsData(record) });
    io.line(`${io.colors.green(done)} ${service}: ${describePlace(record.progress)}`);
  });
}

/** Writes weight 0 without waiting for a controller: there may be none. Throws a CommandError when it could not. */
async function takeBack(service: string, session: StoreSession, by: string): Promise<RolloutRecord> {
  // Only the controller knows the hooks; the history says that they were not run.
  const deps = createRolloutContext(session, { name: by, env: {}, config: NO_CONFIG });
  let result: ReconcileResult | undefined;
  for (let turn = 0; turn < ROLLBACK_TURNS; turn += 1) {
    const { record: now, holder } = await readRollout(session, service);
    // The weight is 0 already; the controller tells everybody else.
    if (holder !== undefined && now.progress.pending.every(({ kind }) => AFTERWARDS.has(kind))) return now;
    result = await reconcile(service, undefined, deps);
    if (result.kind === 'ended') return result.record;
    if (result.kind === 'refused' || result.kind === 'none' || result.kind === 'idle') break;
    if (result.kind === 'lost') await sleep(Math.random() * 20 * (turn + 1));
  }
  const record = result !== undefined && 'record' in result ? result.record : undefined;
  const reason =
    result?.kind === 'refused' ? result.reason : (record?.progress.waitingFor ?? 'lost the race too often');
  const nextStep = `run graylane override set --to stable ${service} --ttl 1h -m abort, or graylane policy apply`;
  const message = `the rollout of ${service} is aborted, and its weight was not taken back: ${reason}`;
  throw new CommandError(1, message, nextStep);
}
