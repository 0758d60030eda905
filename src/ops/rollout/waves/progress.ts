import { nameOfMember, type WavesDocument } from './document';

/**
 * The whole state of some waves, as plain JSON, replaced and never changed. Saved before anything is done to a member,
 * so that another controller can continue from it.
 */
export interface WavesProgress {
  readonly id: string;
  /** The validated document that the waves were started with. */
  readonly document: WavesDocument;
  readonly state: WavesState;
  /** The wave it is at. */
  readonly wave: number;
  /** Of the wave that has reached its end: when the next one begins. Milliseconds since 1970, as all times here. */
  readonly bakeUntilMs?: number;
  /** Of all waves, in the order of the document. */
  readonly members: readonly MemberProgress[];
  readonly startedAtMs: number;
}

type WavesState =
  | { readonly kind: 'running' }
  /** Nothing begins, and rollouts under way are held, until `resume`. */
  | { readonly kind: 'paused'; readonly message: string; readonly sinceMs: number }
  /** Takes back what has to be taken back. */
  | { readonly kind: 'stopping'; readonly message: string; readonly sinceMs: number }
  | { readonly kind: 'stopped'; readonly message: string; readonly atMs: number }
  | { readonly kind: 'completed'; readonly atMs: number };

export interface MemberProgress {
  readonly service: string;
  readonly datacenter?: string;
  /** From 0. */
  readonly wave: number;
  readonly state: MemberState;
  /** ID of its rollout, from `starting` on: chosen before it begins, so that it is begun once. */
  readonly id?: string;
  /** What it waits for, such as another rollout; for people. */
  readonly waitingFor?: string;
  /** Why it is in this state, if not by itself. */
  readonly message?: string;
}

/**
 * `waiting`: not begun. `starting`: is to begin. `completed`: its rollout has reached its end. `failed`: its rollout was
 * taken back, by itself or by a person. `taking-back`, `taken-back`: by the waves.
 */
type MemberState = 'waiting' | 'starting' | 'running' | 'completed' | 'failed' | 'taking-back' | 'taken-back';

/** A member's rollout as it stands in its datacenter. */
export type MemberSeen =
  /** There is none with its ID, and none of the service is under way. */
  | { readonly kind: 'none' }
  /** Another one of the service is under way. */
  | { readonly kind: 'other'; readonly message: string }
  /** `isHeld`: paused by these waves. `isMoving`: goes on by itself. */
  | { readonly kind: 'under-way'; readonly isHeld: boolean; readonly isMoving: boolean }
  /** `isPast`: another one was started since. */
  | {
      readonly kind: 'ended';
      readonly result: 'completed' | 'aborted';
      readonly message: string;
      readonly isPast: boolean;
    }
  /** Its datacenter does not answer. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** What has to be done to a member, until it is seen to be done. Each may be done twice. */
export interface MemberEffect {
  /** In `members`. */
  readonly index: number;
  readonly kind: 'begin' | 'hold' | 'release' | 'take-back';
}

export function startWaves(id: string, document: WavesDocument, nowMs: number): WavesProgress {
  const members = document.waves.flatMap((wave, at) =>
    wave.members.map(({ service, datacenter }): MemberProgress => {
      return { service, ...(datacenter === undefined ? {} : { datacenter }), wave: at, state: 'waiting' };
    }),
  );
  return { id, document, state: { kind: 'running' }, wave: 0, members, startedAtMs: nowMs };
}

export function haveEnded({ state }: WavesProgress): boolean {
  return state.kind === 'stopped' || state.kind === 'completed';
}

/** The members whose rollouts have to be looked at: begun, and not seen to their end. */
export function membersInPlay({ members }: WavesProgress): readonly number[] {
  return [...members.keys()].filter((index) => {
    const { state } = members[index] as MemberProgress;
    return state === 'starting' || state === 'running' || state === 'taking-back';
  });
}

/**
 * Advances the waves by what was seen of the members in play. The very same progress when nothing follows from it. The
 * controller saves the result before it does anything to a member. Pure.
 */
export function advanceWaves(
  progress: WavesProgress,
  seen: ReadonlyMap<number, MemberSeen>,
  nowMs: number,
): WavesProgress {
  if (haveEnded(progress)) return progress;
  const members = progress.members.map((member, index) => learn(member, seen.get(index)));
  const isChanged = members.some((member, index) => member !== progress.members[index]);
  const current = isChanged ? { ...progress, members } : progress;
  const failed = members.find((member, index) => member.state === 'failed' && progress.members[index] !== member);
  if (failed !== undefined && progress.state.kind !== 'stopping') {
    const message = `${nameOfMember(failed)} was taken back: ${failed.message ?? 'no reason given'}`;
    return stopWaves(current, message, progress.document.onFailure === 'take-back-all', nowMs);
  }
  if (current.state.kind === 'stopping') {
    if (members.some(({ state }) => state === 'taking-back')) return current;
    return { ...current, state: { kind: 'stopped', message: current.state.message, atMs: nowMs } };
  }
  return current.state.kind === 'running' ? moveOn(current, nowMs) : current;
}

/** What is seen of a member changes its state. */
function learn(member: MemberProgress, seen: MemberSeen | undefined): MemberProgress {
  if (seen === undefined || seen.kind === 'unknown') return member;
  const { waitingFor: _, ...rest } = member;
  if (member.state === 'taking-back') {
    if (seen.kind === 'other') return { ...rest, state: 'taken-back', message: 'never begun' };
    if (seen.kind !== 'ended') return member;
    if (seen.result === 'aborted') return { ...rest, state: 'taken-back', message: seen.message };
    // The canary of now is another one.
    return seen.isPast ? { ...rest, state: 'completed', message: 'kept: another rollout was started since' } : member;
  }
  if (seen.kind === 'ended') {
    if (seen.result === 'completed') return { ...rest, state: 'completed' };
    return { ...rest, state: 'failed', message: seen.message };
  }
  if (seen.kind === 'under-way') return member.state === 'running' ? member : { ...rest, state: 'running' };
  if (member.state === 'starting') return member;
  return { ...rest, state: 'failed', message: 'its rollout is gone' };
}

/** Begins the wave it is at, or the next one when this one is done and baked. */
function moveOn(progress: WavesProgress, nowMs: number): WavesProgress {
  const { document, wave, members, id } = progress;
  const own = members.filter((member) => member.wave === wave);
  if (own.some(({ state }) => state === 'waiting')) {
    const begun = members.map((member, index): MemberProgress => {
      return member.wave === wave ? { ...member, state: 'starting', id: `${id}-${index + 1}` } : member;
    });
    return { ...progress, members: begun };
  }
  if (!own.every(({ state }) => state === 'completed')) return progress;
  if (wave + 1 >= document.waves.length) return { ...progress, state: { kind: 'completed', atMs: nowMs } };
  const { bakeUntilMs, ...rest } = progress;
  const bakeMs = document.waves[wave]?.bakeMs ?? document.bakeMs ?? 0;
  if (bakeUntilMs === undefined && bakeMs > 0) return { ...progress, bakeUntilMs: nowMs + bakeMs };
  if (bakeUntilMs !== undefined && nowMs < bakeUntilMs) return progress;
  return moveOn({ ...rest, wave: wave + 1 }, nowMs);
}

/** What is to be done now, given what was seen after the last `advanceWaves()`. Pure. */
export function dueEffects(
  { state, members }: WavesProgress,
  seen: ReadonlyMap<number, MemberSeen>,
): readonly MemberEffect[] {
  return [...seen].flatMap(([index, found]): readonly MemberEffect[] => {
    const kind = dueEffect(state.kind, members[index]?.state, found);
    return kind === undefined ? [] : [{ index, kind }];
  });
}

function dueEffect(
  state: WavesState['kind'],
  member: MemberState | undefined,
  seen: MemberSeen,
): MemberEffect['kind'] | undefined {
  if (seen.kind === 'unknown') return undefined;
  if (member === 'taking-back') return 'take-back';
  // Another rollout of the service is told of by whoever tries to begin.
  if (member === 'starting' && state === 'running') return 'begin';
  if (member !== 'running' || seen.kind !== 'under-way') return undefined;
  if (state === 'paused' && seen.isMoving) return 'hold';
  return state === 'running' && seen.isHeld ? 'release' : undefined;
}

/** Notes what the members wait for, by their index; a member that is not named waits for nothing. */
export function noteWaiting(progress: WavesProgress, notes: ReadonlyMap<number, string>): WavesProgress {
  const members = progress.members.map((member, index): MemberProgress => {
    const note = notes.get(index);
    if (member.waitingFor === note) return member;
    const { waitingFor: _, ...rest } = member;
    return note === undefined ? rest : { ...rest, waitingFor: note };
  });
  return members.every((member, index) => member === progress.members[index]) ? progress : { ...progress, members };
}

/** Ends the waves: nothing more begins, members under way are taken back, with `all` those at their end as well. */
function stopWaves(progress: WavesProgress, message: string, all: boolean, nowMs: number): WavesProgress {
  const { bakeUntilMs: _, ...rest } = progress;
  const members = progress.members.map((member): MemberProgress => {
    const isBegun = member.state === 'starting' || member.state === 'running';
    return isBegun || (all && member.state === 'completed') ? { ...member, state: 'taking-back' } : member;
  });
  return { ...rest, members, state: { kind: 'stopping', message, sinceMs: nowMs } };
}

/** Undefined where the state does not allow it, as of the two that follow. */
export function pauseWaves(progress: WavesProgress, message: string, nowMs: number): WavesProgress | undefined {
  return progress.state.kind === 'running'
    ? { ...progress, state: { kind: 'paused', message, sinceMs: nowMs } }
    : undefined;
}

export function resumeWaves(progress: WavesProgress): WavesProgress | undefined {
  return progress.state.kind === 'paused' ? { ...progress, state: { kind: 'running' } } : undefined;
}

export function abortWaves(
  progress: WavesProgress,
  message: string,
  all: boolean,
  nowMs: number,
): WavesProgress | undefined {
  const { kind } = progress.state;
  return kind === 'running' || kind === 'paused' ? stopWaves(progress, message, all, nowMs) : undefined;
}
