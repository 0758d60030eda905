import { sha256 } from '../../base/sha256';
import type { Plan } from '../../policy/plan';
import { PolicyError } from '../../policy/policy-error';
import type { StoredPolicy } from '../store/history';
import type { PolicyStore, WriteOutcome } from '../store/policy-store';
import { compileStored, contentDigest, documentText } from '../store/policy-text';
import { advance, confirmAction, nextWakeMs, pauseRollout, promoteRollout, waitFor } from './advance';
import type { FailedMeasurement, Measurement, MeasureRequest } from './analysis/subset-metrics';
import {
  type DeploymentAnswer,
  type DeploymentQuestion,
  deploymentQuestion,
  watchesDeployment,
} from './deployment/deployment';
import type { RolloutDocument } from './document';
import { type GateQuestion, questionOf } from './gates/ask-gate';
import { type GateAnswer, takeGateAnswer, wantedGate } from './gates/passage';
import { closedSchedule } from './gates/schedule';
import { openBackground, rollBack, wantedMeasurement } from './measurement';
import type { NotificationMessage } from './notify';
import {
  applyAction,
  describeAction,
  describeInvalid,
  type PolicyAction,
  type PolicyStatus,
  policyStatusOf,
  raisesWeight,
} from './policy-change';
import { type AskedGate, dueActions, type RolloutAction, type RolloutProgress } from './progress';
import {
  type Actor,
  type Happened,
  hasEnded,
  MAX_MESSAGE,
  nextRecord,
  type RolloutRecord,
  transitionOf,
} from './record';
import type { RecordOutcome } from './record-store';
import type { RolloutStore, StoredRollout } from './store';

/**
 * The stores and effects that a reconciliation needs. Handed in, so that this room knows neither instances nor
 * processes.
 */
export interface RolloutContext {
  readonly policies: PolicyStore;
  /** Its datacenter is that of the policies, too. */
  readonly rollouts: RolloutStore;
  /**
   * Why the canary's healthy instances cannot carry the calls that a policy would send them, as `policy apply` judges
   * it. `before`: the plan that is in force. May reject.
   */
  overloads(stored: StoredPolicy, rollout: RolloutDocument, after: Plan, before?: Plan): Promise<readonly string[]>;
  /** Measures what `wantedMeasurement()` asks for. A failure is part of the result. Never rejects. */
  measure(progress: RolloutProgress, wanted: MeasureRequest): Promise<Measurement | FailedMeasurement>;
  /** Runs the hooks of these names. Resolves to what failed, undefined when all succeeded. Never rejects. */
  notify(hooks: readonly string[], message: NotificationMessage): Promise<string | undefined>;
  /** Asks a gate. Undefined while the gate is still at it: ask again. Never rejects. */
  askGate(question: GateQuestion): Promise<GateAnswer | undefined>;
  /** Asks the system that deploys the canary. Never rejects. */
  askDeployment(question: DeploymentQuestion): Promise<DeploymentAnswer>;
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Name of the controller, for the history: `user@host (pid 17)`. */
  readonly name: string;
}

export type ReconcileResult<R = RolloutRecord> =
  /** Wrote something: look again at once. The record is the one before it. */
  | { readonly kind: 'acted'; readonly record: R }
  /** Record, policy or lock were no longer as they were read: nothing was written, look again. */
  | { readonly kind: 'lost' }
  /** Nothing to do before `wakeMs` (wall clock), unless something changes. */
  | { readonly kind: 'idle'; readonly wakeMs: number | undefined; readonly record: R }
  | { readonly kind: 'ended'; readonly record: R }
  | { readonly kind: 'none' }
  /** Another controller has the lock. */
  | { readonly kind: 'standby'; readonly holder: string; readonly record: R }
  /** Consul refuses the write. Nothing was changed. */
  | { readonly kind: 'refused'; readonly reason: string; readonly record: R };

/** Attempts to deliver a notice; after that the rollout continues without it. */
const NOTICE_ATTEMPTS = 3;

/**
 * Moves a rollout on by one pause, one action, one measurement or one answer of a gate. Everything is written in one transaction that holds
 * only while record, policy and lock are as they were read. So a controller may die at any point, and two controllers
 * cannot do the same step. Without a `session` it writes without being elected, for a command that must not wait for an
 * election. Rejects when Consul does not answer; call it again then.
 */
export async function reconcile(
  service: string,
  session: string | undefined,
  deps: RolloutContext,
): Promise<ReconcileResult> {
  const stored = await deps.rollouts.read(service);
  const { record } = stored;
  if (record === undefined) return { kind: 'none' };
  if (hasEnded(record.progress)) return { kind: 'ended', record };
  if (session !== undefined && stored.session !== session) {
    if (stored.session !== undefined) return { kind: 'standby', holder: stored.holder ?? 'another controller', record };
    // Another controller was faster, which the next look shows, or Consul refuses the lock.
    if (!(await deps.rollouts.lock(service, session, deps.name))) return { kind: 'lost' };
  }
  // Read after the record: should another controller have written both meanwhile, the record no longer holds.
  const policy = await deps.policies.read(service, deps.rollouts.datacenter);
  const turn: Turn = {
    stored,
    record,
    session,
    policy,
    policyStatus: policyStatusOf(policy, record.policy, deps.now()),
    deps,
  };
  const interrupted = interruption(turn);
  if (interrupted !== undefined) return save(turn, interrupted);
  const [action] = dueActions(record.progress);
  if (action === undefined) return record.progress.pending.length > 0 ? idle(record) : measure(turn);
  if (action.kind === 'notify') return sendNotice(turn, action);
  if (action.kind === 'deployment') return moveDeployment(turn, action);
  return action.kind === 'gate' ? tellGate(turn, action) : applyAndSave(turn, action);
}

interface Turn {
  readonly stored: StoredRollout;
  readonly record: RolloutRecord;
  readonly session: string | undefined;
  readonly policy: StoredPolicy;
  readonly policyStatus: PolicyStatus;
  readonly deps: RolloutContext;
}

/** A foreign change of the policy pauses the rollout. */
function interruption({ record: { progress }, policyStatus, deps }: Turn): RolloutProgress | undefined {
  if (policyStatus.kind === 'own') return undefined;
  const why = policyStatus.kind === 'invalid' ? 'invalid-policy' : 'manual-change';
  const { state } = progress;
  if (state.kind === 'paused' && (state.why === why || state.why === 'manual-change')) return undefined;
  return pauseRollout(progress, why, policyStatus.message, deps.now());
}

async function measure(turn: Turn): Promise<ReconcileResult> {
  const { record, deps } = turn;
  const { progress } = record;
  const ended = await endOfDeployment(turn);
  if (ended !== undefined) return save(turn, ended);
  const wanted = wantedMeasurement(progress, deps.now());
  const measurement = wanted === undefined ? undefined : await deps.measure(progress, wanted);
  const next = advance(progress, measurement, deps.now());
  if (JSON.stringify(next) !== JSON.stringify(progress)) return save(turn, next);
  const gate = wantedGate(progress, deps.now());
  return gate === undefined ? { kind: 'idle', wakeMs: nextWakeMs(progress), record } : askGate(turn, gate);
}

/** Time between two looks at a gate that is still at it. */
const GATE_LOOK_MS = 500;

async function askGate(turn: Turn, { gate, when }: AskedGate): Promise<ReconcileResult> {
  const { record, deps } = turn;
  const { progress } = record;
  const answer = await deps.askGate(questionOf(progress, gate, when));
  if (answer === undefined) {
    const watched = openBackground(progress, deps.now());
    return watched === progress ? { kind: 'idle', wakeMs: deps.now() + GATE_LOOK_MS, record } : save(turn, watched);
  }
  const next = takeGateAnswer(progress, answer, deps.now());
  if (answer.kind !== 'open') return save(turn, next);
  const said = answer.message === undefined ? '' : `: ${answer.message}`;
  const opened = { event: 'gate', step: progress.step, weight: progress.weight, message: `${gate} opened${said}` };
  return save(turn, next, [opened]);
}

/** Tells a gate of the rollback. What the gate answers holds up nothing, and is said in the history. */
async function tellGate(turn: Turn, action: RolloutAction & { readonly kind: 'gate' }): Promise<ReconcileResult> {
  const { record, deps } = turn;
  const { progress } = record;
  const question = { ...questionOf(progress, action.gate, 'at-rollback'), message: action.message };
  const answer = await deps.askGate(question);
  if (answer === undefined) return { kind: 'idle', wakeMs: deps.now() + GATE_LOOK_MS, record };
  const confirmed = confirmAction(progress, action.number, deps.now());
  const done = transitionOf(action, confirmed);
  const said = answer.message === undefined ? '' : `: ${answer.message}`;
  return save(turn, confirmed, [{ ...done, message: `${done.message}, ${answer.kind}${said}` }]);
}

/** What becomes of the rollout when somebody else promotes the deployment, or ends it; undefined: nothing new. */
async function endOfDeployment({ record: { progress }, deps }: Turn): Promise<RolloutProgress | undefined> {
  if (!watchesDeployment(progress)) return undefined;
  const answer = await deps.askDeployment(deploymentQuestion(progress, 'look'));
  if (answer.kind === 'over') return rollBack(progress, 'deployment', answer.message, deps.now());
  // The canary's instances are stable by now: nothing is left to be judged.
  return answer.kind === 'done' ? promoteRollout(progress, { full: true }) : undefined;
}

async function moveDeployment(
  turn: Turn,
  action: RolloutAction & { readonly kind: 'deployment' },
): Promise<ReconcileResult> {
  const { record, deps } = turn;
  const { progress } = record;
  const { verb, untilMs = Number.POSITIVE_INFINITY } = action;
  const answer = await deps.askDeployment(deploymentQuestion(progress, verb));
  const { kind, message } = answer;
  const isDone = kind === 'done' || (verb === 'fail' && (kind !== 'waiting' || deps.now() >= untilMs));
  if (isDone) {
    const confirmed = confirmAction(progress, action.number, deps.now());
    const bound = kind === 'done' ? { deployment: answer.bound } : {};
    return save(turn, { ...confirmed, ...bound }, [{ ...transitionOf(action, confirmed), message }]);
  }
  if (kind === 'over') return save(turn, rollBack(progress, 'deployment', message, deps.now()));
  return progress.waitingFor === message ? idle(record) : save(turn, waitFor(progress, message));
}

async function applyAndSave(turn: Turn, action: PolicyAction): Promise<ReconcileResult> {
  const { record, policy, policyStatus, deps } = turn;
  const { progress } = record;
  const { document: rollout } = progress;
  /** Records once why the action must wait. The action is tried again later. */
  const wait = async (why: string): Promise<ReconcileResult> =>
    progress.waitingFor === why ? idle(record) : save(turn, waitFor(progress, why));
  // Only a rollback waits for no hours. A step that waited for instances is held like one that has not begun.
  const isHeld = action.kind !== 'rollback' && progress.passage?.isWaived !== true;
  const closed = isHeld ? closedSchedule(rollout.schedule, deps.now()) : undefined;
  if (closed !== undefined) return wait(closed.message);
  // Only a rollback continues after a foreign change: it takes the weight out of the changed policy.
  if (policyStatus.kind === 'invalid') return wait(policyStatus.message);
  const edited = applyAction(policyStatus.document, action, rollout, policy.history);
  if ('refusal' in edited) return wait(edited.refusal);
  const confirmed = confirmAction(progress, action.number, deps.now());
  if (JSON.stringify(edited.document) === JSON.stringify(policyStatus.document))
    return save(turn, confirmed, [transitionOf(action, confirmed)]);
  const text = documentText(edited.document);
  const plan = compileStored(policy.service, text);
  if (plan instanceof PolicyError) return wait(describeInvalid(plan));
  if (raisesWeight(policyStatus.document, action, rollout)) {
    const before = compileStored(policy.service, documentText(policyStatus.document));
    const overloads = await deps.overloads(policy, rollout, plan, before instanceof PolicyError ? undefined : before);
    if (overloads.length > 0) return wait(overloads.join('; '));
  }
  return writePolicy(turn, action, { text, confirmed });
}

async function writePolicy(
  { stored, record, session, policy, deps }: Turn,
  action: PolicyAction,
  { text, confirmed }: { readonly text: string; readonly confirmed: RolloutProgress },
): Promise<ReconcileResult> {
  const time = new Date(deps.now());
  const number = numberAfter(policy);
  const change = { progress: confirmed, policy: { digest: contentDigest(text), number } };
  const next = nextRecord(record, change, actorOf(deps), [transitionOf(action, confirmed, number)]);
  const outcome = await deps.policies.write({
    before: policy,
    text,
    kind: 'rollout',
    author: `rollout/${confirmed.id}`,
    message: describeAction(action, confirmed.document).slice(0, MAX_MESSAGE),
    time,
    also: deps.rollouts.operations(stored, next, session),
  });
  return resultOf(outcome, record);
}

async function sendNotice(turn: Turn, action: RolloutAction & { readonly kind: 'notify' }): Promise<ReconcileResult> {
  const { record, deps } = turn;
  const { progress, service } = record;
  const message: NotificationMessage = { ...action.notice, service, id: `${progress.id}/${action.number}` };
  let failure: string | undefined;
  for (let attempt = 1; attempt <= NOTICE_ATTEMPTS; attempt += 1) {
    failure = await deps.notify(progress.document.notify ?? [], message);
    if (failure === undefined) break;
  }
  const confirmed = confirmAction(progress, action.number, deps.now());
  const done = transitionOf(action, confirmed);
  return save(turn, confirmed, [failure === undefined ? done : { ...done, message: `${done.message}: ${failure}` }]);
}

function idle(record: RolloutRecord): ReconcileResult {
  return { kind: 'idle', wakeMs: undefined, record };
}

/** Writes the record alone. */
async function save(
  { stored, record, session, deps }: Turn,
  progress: RolloutProgress,
  done: readonly Happened[] = [],
): Promise<ReconcileResult> {
  const next = nextRecord(record, { progress }, actorOf(deps), done);
  return resultOf(await deps.rollouts.write(stored, next, session), record);
}

/** What came of a write that left this record. Throws where nobody knows. */
export function resultOf<R>(outcome: WriteOutcome | RecordOutcome, record: R): ReconcileResult<R> {
  switch (outcome.kind) {
    case 'written':
      return { kind: 'acted', record };
    case 'lost':
      return { kind: 'lost' };
    case 'refused':
      return { kind: 'refused', reason: outcome.reason, record };
    case 'unknown':
      throw new Error(outcome.reason);
  }
}

function actorOf({ name, now }: RolloutContext): Actor {
  return { by: name, at: new Date(now()).toISOString() };
}

/** The number of the next history entry; one more when a policy written past the history is kept first. */
function numberAfter({ policy, history }: StoredPolicy): number {
  const last = history.at(-1);
  const isKept = policy === undefined || last?.entry?.documentDigest === sha256(policy.text);
  return (last?.number ?? 0) + (isKept ? 1 : 2);
}
