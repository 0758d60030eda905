import { type ReconcileResult, resultOf } from '../reconcile';
import type { Actor } from '../record';
import { lookAt, type MembersContext, performEffect } from './member';
import {
  advanceWaves,
  dueEffects,
  haveEnded,
  type MemberProgress,
  type MemberSeen,
  membersInPlay,
  noteWaiting,
  type WavesProgress,
} from './progress';
import { nextWaves, type StoredWaves, type WavesRecord, type WavesStore } from './record';

export interface WavesContext extends MembersContext {
  readonly waves: WavesStore;
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Name of the controller, for the history. */
  readonly name: string;
}

/**
 * Does one thing that the waves need, then returns, as `reconcile()` does for a rollout. What is to be done to a member is
 * written down first, the ID of its rollout included, and each of these things may be done twice: so a controller may die
 * at any point, and no rollout is begun twice. Rejects when Consul does not answer; call it again then.
 */
export async function reconcileWaves(
  name: string,
  session: string,
  deps: WavesContext,
): Promise<ReconcileResult<WavesRecord>> {
  const stored = await deps.waves.read(name);
  const { record } = stored;
  if (record === undefined) return { kind: 'none' };
  const { progress } = record;
  if (haveEnded(progress)) return { kind: 'ended', record };
  if (stored.session !== session) {
    if (stored.session !== undefined) return { kind: 'standby', holder: stored.holder ?? 'another controller', record };
    if (!(await deps.waves.lock(name, session, deps.name))) return { kind: 'lost' };
  }
  const seen = await look(record, deps);
  const next = advanceWaves(progress, seen, deps.now());
  if (next !== progress) return save(stored, record, next, session, deps);
  return perform(stored, record, seen, session, deps);
}

async function look(record: WavesRecord, deps: WavesContext): Promise<ReadonlyMap<number, MemberSeen>> {
  const owner = ownerOf(record);
  const found = membersInPlay(record.progress).map(async (index): Promise<[number, MemberSeen]> => {
    return [index, await lookAt(record.progress.members[index] as MemberProgress, owner, deps)];
  });
  return new Map(await Promise.all(found));
}

async function perform(
  stored: StoredWaves,
  record: WavesRecord,
  seen: ReadonlyMap<number, MemberSeen>,
  session: string,
  deps: WavesContext,
): Promise<ReconcileResult<WavesRecord>> {
  const { progress } = record;
  const { state, bakeUntilMs } = progress;
  const message = 'message' in state ? state.message : '';
  const owner = ownerOf(record);
  const notes = new Map([...seen].flatMap(([at, each]) => (each.kind === 'unknown' ? [[at, each.reason]] : [])));
  const effects = dueEffects(progress, seen);
  await Promise.all(
    effects.map(async ({ index, kind }) => {
      const member = progress.members[index] as MemberProgress;
      const reason = await performEffect(kind, member, owner, message, deps);
      if (reason !== undefined) notes.set(index, reason);
    }),
  );
  const noted = noteWaiting(progress, notes);
  if (noted !== progress) return save(stored, record, noted, session, deps);
  if (effects.some(({ index }) => !notes.has(index))) return { kind: 'acted', record };
  return { kind: 'idle', wakeMs: bakeUntilMs, record };
}

async function save(
  stored: StoredWaves,
  record: WavesRecord,
  progress: WavesProgress,
  session: string,
  { waves, name, now }: WavesContext,
): Promise<ReconcileResult<WavesRecord>> {
  const actor: Actor = { by: name, at: new Date(now()).toISOString() };
  return resultOf(await waves.write(stored, nextWaves(record, progress, actor), session), record);
}

function ownerOf({ progress: { document }, startedBy }: WavesRecord): { document: typeof document; startedBy: string } {
  return { document, startedBy };
}
