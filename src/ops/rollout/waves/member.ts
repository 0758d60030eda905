import { abortCompleted, beginRollout, type ControlContext, cancelRollout, controlRollout } from '../control';
import { type ReconcileResult, type RolloutContext, reconcile } from '../reconcile';
import { hasEnded, messageOf, type RolloutRecord } from '../record';
import { rolloutOf, type WavesDocument } from './document';
import type { MemberEffect, MemberProgress, MemberSeen } from './progress';

/** What the waves work with. Handed in, as the context of a rollout is. */
export interface MembersContext {
  /** The stores of a datacenter, and what drives a rollout there; undefined is the agent's own. */
  contextOf(datacenter: string | undefined): RolloutContext;
  /**
   * Why a rollout may not be started now, as `rollout start` judges it by the instances of its subsets; undefined: it
   * may. Rejects when Consul does not answer.
   */
  refusalOf(
    document: RolloutRecord['progress']['document'],
    datacenter: string | undefined,
  ): Promise<string | undefined>;
}

/** Whose waves, for the history of their members. */
export interface Owner {
  readonly document: WavesDocument;
  readonly startedBy: string;
}

const TURNS = 30;

/** What stands in the member's datacenter of its rollout. Never rejects. */
export async function lookAt(
  { service, datacenter, id }: MemberProgress,
  { document }: Owner,
  deps: MembersContext,
): Promise<MemberSeen> {
  try {
    const { record } = await deps.contextOf(datacenter).rollouts.read(service);
    if (record === undefined) return { kind: 'none' };
    const { progress, past } = record;
    if (progress.id === id) return seenOf(record, document);
    const before = past.find((each) => each.id === id);
    if (before !== undefined) {
      const result = before.result === 'completed' ? 'completed' : 'aborted';
      return { kind: 'ended', result, message: before.message, isPast: true };
    }
    if (hasEnded(progress)) return { kind: 'none' };
    return { kind: 'other', message: `rollout ${progress.id} of ${record.startedBy} is under way` };
  } catch (error) {
    return { kind: 'unknown', reason: error instanceof Error ? error.message : String(error) };
  }
}

function seenOf({ progress }: RolloutRecord, document: WavesDocument): MemberSeen {
  const { state } = progress;
  if (hasEnded(progress)) {
    const result = state.kind === 'completed' ? 'completed' : 'aborted';
    return { kind: 'ended', result, message: messageOf(progress), isPast: false };
  }
  const isHeld = state.kind === 'paused' && state.why === 'operator' && state.message === holdMessage(document);
  const isMoving = state.kind === 'running' || (state.kind === 'paused' && state.untilMs !== undefined);
  return { kind: 'under-way', isHeld, isMoving };
}

/** As `pauseRollout()` writes it for this name. */
function holdMessage(document: WavesDocument): string {
  return `paused by ${nameOf(document)}`;
}

function nameOf({ name }: WavesDocument): string {
  return `waves ${name}`;
}

/** Does what is due to a member. Resolves to why it could not be done yet, undefined when it was. Never rejects. */
export async function performEffect(
  kind: MemberEffect['kind'],
  member: MemberProgress,
  owner: Owner,
  message: string,
  deps: MembersContext,
): Promise<string | undefined> {
  const { document } = owner;
  const context = deps.contextOf(member.datacenter);
  const by = kind === 'begin' ? `${nameOf(document)} of ${owner.startedBy}` : nameOf(document);
  const { policies, rollouts, now } = context;
  const why = kind === 'begin' ? {} : { reason: message };
  const asked: ControlContext = { policies, rollouts, now, by, id: member.id ?? '', ...why };
  try {
    switch (kind) {
      case 'begin':
        return await begin(member, document, asked, deps);
      case 'hold':
      case 'release': {
        const command = kind === 'hold' ? 'pause' : 'resume';
        return reasonOf(await controlRollout(member.service, command, asked));
      }
      case 'take-back':
        return await takeBack(member, document, asked, context);
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function begin(
  member: MemberProgress,
  document: WavesDocument,
  asked: ControlContext,
  deps: MembersContext,
): Promise<string | undefined> {
  const rollout = rolloutOf(document, member);
  const refusal = await deps.refusalOf(rollout, member.datacenter);
  return refusal ?? reasonOf(await beginRollout(rollout, asked));
}

/** Aborts the member's rollout, or takes it back after its end, and writes the weight; what never began is cancelled. */
async function takeBack(
  member: MemberProgress,
  document: WavesDocument,
  asked: ControlContext,
  context: RolloutContext,
): Promise<string | undefined> {
  const { service, id } = member;
  const { record } = await context.rollouts.read(service);
  const state = record?.progress.id === id ? record?.progress.state.kind : undefined;
  if (state === undefined) return reasonOf(await cancelRollout(rolloutOf(document, member), asked));
  if (state !== 'aborted') {
    const done =
      state === 'completed' ? await abortCompleted(service, asked) : await controlRollout(service, 'abort', asked);
    if (done.kind === 'refused') return done.reason;
  }
  return writeRollback(service, context);
}

/** Writes weight 0 without waiting for a controller there: there may be none. */
async function writeRollback(service: string, context: RolloutContext): Promise<string | undefined> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    const result: ReconcileResult = await reconcile(service, undefined, context);
    if (result.kind === 'ended' || result.kind === 'none') return undefined;
    if (result.kind === 'refused') return result.reason;
    if (result.kind === 'idle') return result.record.progress.waitingFor ?? 'its weight is not taken back yet';
  }
  return 'its weight is not taken back yet: others write, too';
}

function reasonOf(result: Awaited<ReturnType<typeof controlRollout>>): string | undefined {
  return result.kind === 'refused' ? result.reason : undefined;
}
