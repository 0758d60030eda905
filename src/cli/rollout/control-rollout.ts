import { sleep } from '../../base/sleep';
import { NO_CONFIG } from '../../ops/rollout/config/controller-config';
import { controlRollout, type RolloutWish } from '../../ops/rollout/control';
import { type Driven, driveOnce } from '../../ops/rollout/reconcile';
import type { RolloutRecord } from '../../ops/rollout/record';
import { CommandError } from '../command';
import { type RolloutFlags, type RolloutSession, readRollout, withRollouts } from '../consul/store-session';
import type { CommandIo } from '../io';
import { driveDeps } from './controller-setup';
import { describePlace, recordAsData } from './rollout-view';

export interface ControlSettings extends RolloutFlags {
  readonly wish: 'pause' | 'resume' | 'promote' | 'abort';
  readonly full?: boolean;
  readonly message?: string;
}

const DONE: Readonly<Record<ControlSettings['wish'], string>> = {
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
    const wish: RolloutWish = settings.wish === 'promote' && settings.full === true ? 'promote-full' : settings.wish;
    const { policies, rollouts } = session;
    const by = await session.author();
    const reason = (settings.message ?? '').trim();
    const asked = { policies, rollouts, by, now: Date.now, ...(reason === '' ? {} : { reason }) };
    const controlled = await controlRollout(service, wish, asked);
    if (controlled.kind === 'refused') throw new CommandError(1, controlled.reason, controlled.nextStep);
    const record = settings.wish === 'abort' ? await takeBack(service, session, by) : controlled.record;
    if (settings.json === true) io.json({ outcome: DONE[settings.wish], ...recordAsData(record) });
    else io.line(`${io.colors.green(DONE[settings.wish])} ${service}: ${describePlace(record.progress)}`);
  });
}

/** Writes weight 0 without waiting for a controller: there may be none. Throws a CommandError when it could not. */
async function takeBack(service: string, session: RolloutSession, by: string): Promise<RolloutRecord> {
  // Whom a rollout tells is the controller's to know; what nobody could be told is said in the history.
  const deps = driveDeps(session, { name: by, env: {}, config: NO_CONFIG });
  let driven: Driven | undefined;
  for (let turn = 0; turn < ROLLBACK_TURNS; turn += 1) {
    const { record: now, holder } = await readRollout(session, service);
    // The weight is gone; the controller that there is tells whom it has to.
    if (holder !== undefined && now.progress.pending.every(({ kind }) => kind === 'notify')) return now;
    driven = await driveOnce(service, undefined, deps);
    if (driven.kind === 'ended') return driven.record;
    if (driven.kind === 'refused' || driven.kind === 'none') break;
    if (driven.kind === 'idle') break;
    if (driven.kind === 'lost') await sleep(Math.random() * 20 * (turn + 1));
  }
  const record = driven !== undefined && 'record' in driven ? driven.record : undefined;
  const reason =
    driven?.kind === 'refused' ? driven.reason : (record?.progress.waitingFor ?? 'lost the race too often');
  const nextStep = `run graylane override set --to stable ${service} --ttl 1h -m abort, or graylane policy apply`;
  throw new CommandError(
    1,
    `the rollout of ${service} is aborted, and its weight was not taken back: ${reason}`,
    nextStep,
  );
}
