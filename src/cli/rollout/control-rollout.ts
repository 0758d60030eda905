import { sleep } from '../../base/sleep';
import { NO_CONFIG } from '../../ops/rollout/config/controller-config';
import { controlRollout, type RolloutCommand } from '../../ops/rollout/control';
import { type ReconcileResult, reconcile } from '../../ops/rollout/reconcile';
import type { RolloutRecord } from '../../ops/rollout/record';
import { CommandError } from '../command';
import { type RolloutFlags, type RolloutSession, readRollout, withRollouts } from '../consul/store-session';
import type { CommandIo } from '../io';
import { createRolloutContext } from './controller-setup';
import { describePlace, recordAsData } from './rollout-view';

export interface ControlSettings extends RolloutFlags {
  readonly action: 'pause' | 'resume' | 'promote' | 'abort';
  readonly full?: boolean;
  readonly message?: string;
}

const DONE: Readonly<Record<ControlSettings['action'], string>> = {
  pause: 'paused',
  resume: 'resumed',
  promote: 'promoted',
  abort: 'aborted',
};
/** A controller may be in the middle of a write of its own. */
const ROLLBACK_TURNS = 50;

/** `rollout pause`, `resume`, `promote` and `abort`. */
export async function controlFromFlags(service: string, settings: ControlSettings, io: CommandIo): Promise<void> {
  await withRollouts(settings, io, async (session) => {
    const action: RolloutCommand =
      settings.action === 'promote' && settings.full === true ? 'promote-full' : settings.action;
    const { policies, rollouts } = session;
    const by = await session.author();
    const reason = (settings.message ?? '').trim();
    const asked = { policies, rollouts, by, now: Date.now, ...(reason === '' ? {} : { reason }) };
    const controlled = await controlRollout(service, action, asked);
    if (controlled.kind === 'refused') throw new CommandError(1, controlled.reason, controlled.nextStep);
    const record = settings.action === 'abort' ? await takeBack(service, session, by) : controlled.record;
    if (settings.json === true) io.json({ outcome: DONE[settings.action], ...recordAsData(record) });
    else io.line(`${io.colors.green(DONE[settings.action])} ${service}: ${describePlace(record.progress)}`);
  });
}

/** Writes weight 0 without waiting for a controller: there may be none. Throws a CommandError when it could not. */
async function takeBack(service: string, session: RolloutSession, by: string): Promise<RolloutRecord> {
  // Only the controller knows the hooks; the history says that they were not run.
  const deps = createRolloutContext(session, { name: by, env: {}, config: NO_CONFIG });
  let result: ReconcileResult | undefined;
  for (let turn = 0; turn < ROLLBACK_TURNS; turn += 1) {
    const { record: now, holder } = await readRollout(session, service);
    // The weight is 0 already; the controller sends the notices.
    if (holder !== undefined && now.progress.pending.every(({ kind }) => kind === 'notify')) return now;
    result = await reconcile(service, undefined, deps);
    if (result.kind === 'ended') return result.record;
    if (result.kind === 'refused' || result.kind === 'none') break;
    if (result.kind === 'idle') break;
    if (result.kind === 'lost') await sleep(Math.random() * 20 * (turn + 1));
  }
  const record = result !== undefined && 'record' in result ? result.record : undefined;
  const reason =
    result?.kind === 'refused' ? result.reason : (record?.progress.waitingFor ?? 'lost the race too often');
  const nextStep = `run graylane override set --to stable ${service} --ttl 1h -m abort, or graylane policy apply`;
  throw new CommandError(
    1,
    `the rollout of ${service} is aborted, and its weight was not taken back: ${reason}`,
    nextStep,
  );
}
