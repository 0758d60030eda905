import { defined } from '../../base/defined';
import { sleep } from '../../base/sleep';
import type { PolicyDocument } from '../../policy/document';
import { PolicyError } from '../../policy/policy-error';
import type { StoredPolicy } from '../store/history';
import type { PolicyStore } from '../store/policy-store';
import { compileStored, contentDigest, documentText } from '../store/policy-text';
import { abortRollout, approveRollout, pauseRollout, promoteRollout, resumeRollout, startRollout } from './advance';
import type { RolloutDocument } from './document';
import { rollBack } from './measurement';
import {
  canaryWeight,
  describeInvalid,
  hasMirror,
  mirroredRoute,
  overrideInForce,
  policyStatusOf,
  testersOf,
  withWeight,
} from './policy-change';
import type { RolloutProgress } from './progress';
import {
  type Actor,
  hasEnded,
  MAX_PAST,
  MAX_RECORD_BYTES,
  messageOf,
  newStamp,
  nextRecord,
  type PastRollout,
  type RolloutRecord,
} from './record';
import type { RolloutStore, StoredRollout } from './store';

/** Commands for a rollout that has not ended. */
export type RolloutCommand = 'pause' | 'resume' | 'approve' | 'promote' | 'promote-full' | 'abort';

/** The new record, or why the command was refused and what to do next. */
export type ControlResult =
  | { readonly kind: 'done'; readonly record: RolloutRecord }
  | { readonly kind: 'refused'; readonly reason: string; readonly nextStep: string };

export interface ControlContext {
  readonly policies: PolicyStore;
  /** Its datacenter is that of the policies, too. */
  readonly rollouts: RolloutStore;
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Name of the person, for the history. */
  readonly by: string;
  /** Why it is begun or aborted, or what an approval rests on. */
  readonly reason?: string;
  /**
   * Of the rollout that is begun, or that alone the command is for: what has been begun with this ID is not begun again.
   * Default: a new one; whichever is under way.
   */
  readonly id?: string;
}

/** A controller may write the record at any time; the command is then applied to the new record. */
const ATTEMPTS = 20;

/**
 * Writes the first record of a rollout, which a controller then leads. Changes no policy. Refused while another rollout
 * of the service has not ended. Rejects with POLICY_UNAVAILABLE.
 */
export async function beginRollout(document: RolloutDocument, deps: ControlContext): Promise<ControlResult> {
  const { service } = document;
  const stored = await deps.rollouts.read(service);
  const former = stored.record;
  if (former !== undefined && hasRollout(former, deps.id)) return { kind: 'done', record: former };
  const other = refusalOfOther(former);
  if (other !== undefined) return other;
  const policy = await deps.policies.read(service, deps.rollouts.datacenter);
  const fit = checkPolicy(policy, document, deps.now());
  if ('kind' in fit) return fit;
  const nowMs = deps.now();
  const weight = canaryWeight(fit.document, document);
  const progress = startRollout({ id: deps.id ?? newId(nowMs), document, weight }, nowMs);
  const blank = { ...blankRecord(progress, former, deps), policy: writtenPolicyOf(policy) };
  const why = deps.reason === undefined ? '' : `: ${deps.reason}`;
  const message = `${document.steps.length} steps, ${document.canary} against ${document.stable}${why}`;
  const started = { event: 'started', step: 0, weight, message };
  const record = nextRecord(blank, {}, actorOf(deps), [started]);
  if (Buffer.byteLength(JSON.stringify({ ...record, past: [] })) > MAX_RECORD_BYTES / 2) {
    const reason = `the rollout: ${Buffer.byteLength(JSON.stringify(document))} bytes as JSON (expected: at most ${MAX_RECORD_BYTES / 2})`;
    return refused(reason, 'shorten it');
  }
  const faster = `somebody else has just started a rollout of ${service}, and nothing of yours was written`;
  return (await write(stored, record, deps)) ?? refused(faster, `run graylane rollout status ${service}`);
}

/**
 * Why a rollout of this document could not begin now, though nothing is under way; undefined: it could. Reads the policy.
 * Rejects with POLICY_UNAVAILABLE.
 */
export async function refusalToBegin(
  document: RolloutDocument,
  { policies, rollouts, now }: Pick<ControlContext, 'policies' | 'rollouts' | 'now'>,
): Promise<Refused | undefined> {
  const { record } = await rollouts.read(document.service);
  const other = refusalOfOther(record);
  if (other !== undefined) return other;
  const fit = checkPolicy(await policies.read(document.service, rollouts.datacenter), document, now());
  return 'kind' in fit ? fit : undefined;
}

/**
 * Writes that the rollout of `deps.id` was ended before it began, so that whoever is about to begin it cannot any more.
 * One that was begun, and one of others that is under way, is left as it is. Rejects with POLICY_UNAVAILABLE.
 */
export async function cancelRollout(document: RolloutDocument, deps: ControlContext): Promise<ControlResult> {
  const stored = await deps.rollouts.read(document.service);
  const former = stored.record;
  if (former !== undefined && (hasRollout(former, deps.id) || !hasEnded(former.progress))) {
    return { kind: 'done', record: former };
  }
  const nowMs = deps.now();
  const begun = startRollout({ id: deps.id ?? newId(nowMs), document, weight: 0 }, nowMs);
  const message = `never begun: ${deps.reason ?? `cancelled by ${deps.by}`}`;
  const progress: RolloutProgress = { ...begun, state: { kind: 'aborted', why: 'operator', message, atMs: nowMs } };
  const cancelled = { event: 'aborted', step: 0, weight: 0, message };
  const record = nextRecord(blankRecord(progress, former, deps), {}, actorOf(deps), [cancelled]);
  const faster = 'another writer was faster';
  return (await write(stored, record, deps)) ?? refused(faster, 'try again');
}

/**
 * Takes a rollout back that has completed: it counts as aborted, and the canary gives back its weight, after `promote`
 * stable its former instances, too. Follow with `reconcile()`. Rejects with POLICY_UNAVAILABLE.
 */
export async function abortCompleted(service: string, deps: ControlContext): Promise<ControlResult> {
  const stored = await deps.rollouts.read(service);
  const { record } = stored;
  if (record?.progress.id !== deps.id || record?.progress.state.kind !== 'completed') {
    return refused(`${service} has no completed rollout ${deps.id}`, `run graylane rollout history ${service}`);
  }
  const promotedIn = record.transitions.findLast(({ event }) => event === 'promote')?.policy;
  const back = rollBack(record.progress, 'operator', reasonFor(deps), deps.now());
  const pending = back.pending.map((action) =>
    action.kind === 'rollback' ? { ...action, late: defined({ promotedIn }) } : action,
  );
  const asked = { event: 'abort', step: back.step, weight: back.weight, message: 'asked for after its end' };
  const written = nextRecord(record, { progress: { ...back, pending } }, actorOf(deps), [asked]);
  return (await write(stored, written, deps)) ?? refused('another writer was faster', 'try again');
}

/** Carries out a person's command. A running controller reacts at once. Rejects with POLICY_UNAVAILABLE. */
export async function controlRollout(
  service: string,
  command: RolloutCommand,
  deps: ControlContext,
): Promise<ControlResult> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const stored = await deps.rollouts.read(service);
    const result = await tryControl(stored, command, deps);
    if (result !== undefined) return result;
    await sleep(Math.random() * 20 * (attempt + 1));
  }
  return refused(`lost the race ${ATTEMPTS} times`, 'try again');
}

/** Undefined when another writer was faster. */
async function tryControl(
  stored: StoredRollout,
  command: RolloutCommand,
  deps: ControlContext,
): Promise<ControlResult | undefined> {
  const { record, name: service } = stored;
  if (record === undefined) return refused(`${service} has no rollout`, `run graylane rollout start ${service}`);
  const { progress } = record;
  if (deps.id !== undefined && progress.id !== deps.id) {
    return refused(`the rollout of ${service} is ${progress.id} (expected: ${deps.id})`, 'look at both');
  }
  const { kind } = progress.state;
  if (kind === 'completed' || kind === 'aborted') {
    return refused(`the rollout ${progress.id} of ${service} is ${kind}`, `run graylane rollout history ${service}`);
  }
  let { policy } = record;
  if (command !== 'pause' && command !== 'abort') {
    const found = await deps.policies.read(service, deps.rollouts.datacenter);
    const fit = checkPolicy(found, progress.document, deps.now(), true);
    if ('kind' in fit) return fit;
    // To resume is to accept the policy as it is now.
    policy = writtenPolicyOf(found);
  }
  const next = applyCommand(progress, command, deps);
  if (next === undefined) {
    if (command === 'resume' && progress.state.kind === 'paused' && progress.state.why === 'approval') {
      return refused(
        `the rollout of ${service} waits for an approval`,
        `run graylane rollout approve ${service} -m TEXT`,
      );
    }
    const reason = `the rollout of ${service} is ${kind}: nothing to ${command}`;
    return refused(reason, `run graylane rollout status ${service}`);
  }
  const message = (command === 'approve' ? deps.reason : undefined) ?? 'asked for';
  const asked = { event: command, step: progress.step, weight: progress.weight, message };
  const written = nextRecord(record, { progress: next, policy }, actorOf(deps), [asked]);
  return write(stored, written, deps);
}

/** Undefined when the command is not possible in this state. */
function applyCommand(
  progress: RolloutProgress,
  command: RolloutCommand,
  deps: ControlContext,
): RolloutProgress | undefined {
  const { by, now } = deps;
  switch (command) {
    case 'pause':
      return pauseRollout(progress, 'operator', `paused by ${by}`, now());
    case 'resume':
      return resumeRollout(progress);
    case 'approve':
      return approveRollout(progress);
    case 'promote':
    case 'promote-full':
      return promoteRollout(progress, { full: command === 'promote-full' });
    case 'abort':
      return abortRollout(progress, reasonFor(deps), now());
  }
}

function reasonFor({ by, reason }: ControlContext): string {
  return `aborted by ${by}${reason === undefined ? '' : `: ${reason}`}`;
}

function actorOf({ by, now }: ControlContext): Actor {
  return { by, at: new Date(now()).toISOString() };
}

function hasRollout({ progress, past }: RolloutRecord, id: string | undefined): boolean {
  return id !== undefined && (progress.id === id || past.some((each) => each.id === id));
}

/** One rollout of a service at a time. */
function refusalOfOther(former: RolloutRecord | undefined): Refused | undefined {
  if (former === undefined || hasEnded(former.progress)) return undefined;
  const { service, startedBy, progress } = former;
  const { id, state, step } = progress;
  const reason = `a rollout of ${service} is under way: ${id} of ${startedBy}, ${state.kind} at step ${step + 1}`;
  return refused(reason, `run graylane rollout status ${service}, or abort it`);
}

function blankRecord(
  progress: RolloutProgress,
  former: RolloutRecord | undefined,
  { by }: ControlContext,
): RolloutRecord {
  return {
    format: 1,
    service: progress.document.service,
    number: former?.number ?? 0,
    stamp: newStamp(),
    startedBy: by,
    progress,
    policy: { digest: '', number: 0 },
    transitions: [],
    past: former === undefined ? [] : [...former.past, pastOf(former)].slice(-MAX_PAST),
  };
}

export type Refused = ControlResult & { readonly kind: 'refused' };

export function refused(reason: string, nextStep: string): Refused {
  return { kind: 'refused', reason, nextStep };
}

/** The policy if the rollout can work with it, otherwise why not. */
function checkPolicy(
  stored: StoredPolicy,
  rollout: RolloutDocument,
  nowMs: number,
  isUnderWay = false,
): { readonly document: PolicyDocument } | Refused {
  const { service } = stored;
  const policyStatus = policyStatusOf(stored, undefined, nowMs);
  if (policyStatus.kind === 'invalid') return refused(policyStatus.message, 'write one with graylane policy apply');
  const { document } = policyStatus;
  const override = overrideInForce(document, nowMs);
  if (override !== undefined) return refused(override, `run graylane override clear ${service}`);
  const moved = withWeight(document, rollout, 0);
  if ('refusal' in moved) return refused(moved.refusal, `run graylane policy get ${service}`);
  const taken = testersOf(rollout).find((name) => document.routes?.some((route) => route.name === name));
  if (taken !== undefined && !isUnderWay) {
    return refused(`steps: setRoute ${taken}: the policy has a route of that name (expected: another)`, 'rename it');
  }
  const mirrored = hasMirror(rollout) && !isUnderWay ? mirroredRoute(document, rollout) : undefined;
  if (mirrored !== undefined) {
    return refused(
      `steps: setMirror: route ${mirrored} has a mirror already (expected: none)`,
      'leave one of them out',
    );
  }
  // Between the promotion and the end of the rollout nobody bears the tags of the canary.
  const canary = rollout.deployment === undefined ? undefined : document.subsets?.[rollout.canary];
  if (canary !== undefined && (canary.fallback === undefined || canary.fallback === 'none')) {
    const reason = `subsets.${rollout.canary}.fallback: missing (expected: ${rollout.stable}, which the promoted canary belongs to)`;
    return refused(reason, `add fallback: ${rollout.stable} to it`);
  }
  const plan = compileStored(service, documentText(moved.document));
  if (plan instanceof PolicyError) return refused(describeInvalid(plan), 'mend it');
  return { document };
}

function writtenPolicyOf({ policy, history }: StoredPolicy): RolloutRecord['policy'] {
  return { digest: policy === undefined ? '' : contentDigest(policy.text), number: history.at(-1)?.number ?? 0 };
}

function pastOf({ progress, startedBy, transitions }: RolloutRecord): PastRollout {
  const { id, startedAtMs, state } = progress;
  const endedAt = transitions.at(-1)?.at ?? '';
  const message = messageOf(progress);
  return { id, startedBy, startedAt: new Date(startedAtMs).toISOString(), endedAt, result: state.kind, message };
}

/** Undefined when another writer was faster. */
async function write(
  before: StoredRollout,
  record: RolloutRecord,
  { rollouts }: ControlContext,
): Promise<ControlResult | undefined> {
  const outcome = await rollouts.write(before, record, undefined);
  if (outcome.kind === 'written') return { kind: 'done', record };
  return outcome.kind === 'lost' ? undefined : refused(outcome.reason, 'check what the ACL token permits');
}

/** `20261121-070305-x7k2`: sorts by time, and two of the same second differ. */
export function newId(nowMs: number): string {
  const [day, time] = new Date(nowMs).toISOString().slice(0, 19).replace(/[-:]/g, '').split('T');
  return `${day}-${time}-${newStamp()
    .replace(/[^a-zA-Z0-9]/g, '')
    .slice(0, 4)
    .toLowerCase()}`;
}
