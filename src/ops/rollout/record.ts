import { randomBytes } from 'node:crypto';
import { defined } from '../../base/defined';
import { isRecord } from '../../base/is-record';
import { parseJsonRecord } from '../store/kv';
import { DEPLOYMENT_VERBS, isBoundDeployment } from './deployment/deployment';
import { describeAction, type WrittenPolicy } from './policy-change';
import type { RolloutAction, RolloutProgress, RolloutState } from './progress';
import { validateRollout } from './validate';

/** What Consul holds of a service's rollout: how far it is, what it has written, and what happened. Plain JSON. */
export interface RolloutRecord {
  /** Of this format. Always 1. */
  readonly format: 1;
  readonly service: string;
  /** From 1, one more with each write. */
  readonly number: number;
  /** Random, another with each write: tells whether a write whose answer got lost was this one. */
  readonly stamp: string;
  readonly startedBy: string;
  readonly progress: RolloutProgress;
  readonly policy: WrittenPolicy;
  /** Oldest first, numbered without gaps; the oldest are dropped beyond {@link MAX_TRANSITIONS}. */
  readonly transitions: readonly Transition[];
  /** Rollouts of this service before this one, oldest first. */
  readonly past: readonly PastRollout[];
}

/** One thing that happened, never changed once written. */
export interface Transition {
  /** From 1 in each rollout, without gaps. */
  readonly number: number;
  /** RFC 3339, by the writer's clock. */
  readonly at: string;
  readonly event: string;
  /** A controller, or the user of the command. */
  readonly by: string;
  /** From 0. */
  readonly step: number;
  /** Percent, after it. */
  readonly weight: number;
  readonly message: string;
  /** Number in the policy's history, of what it wrote. */
  readonly policy?: number;
}

export interface PastRollout {
  readonly id: string;
  readonly startedBy: string;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly endedAt: string;
  readonly result: RolloutState['kind'];
  readonly message: string;
}

const MAX_TRANSITIONS = 100;
export const MAX_PAST = 20;
/** With the policy and its history entry it has to fit into a transaction of 512 KB. */
export const MAX_RECORD_BYTES: number = 64 * 1024;
/** Characters of what is said in a transition and in the policy's history. */
export const MAX_MESSAGE = 600;

/** A transition before it is recorded. */
export type Happened = Omit<Transition, 'number' | 'at' | 'by'>;

/**
 * The next record to write, with `change` made to it. Its transitions get what was `done`, and what else happened
 * between the two states of the rollout. Pure but for the stamp.
 */
export function nextRecord(
  record: RolloutRecord,
  change: Partial<Pick<RolloutRecord, 'progress' | 'policy'>>,
  actor: Actor,
  done: readonly Happened[] = [],
): RolloutRecord {
  const first = (record.transitions.at(-1)?.number ?? 0) + 1;
  const happened = [...done, ...transitionsBetween(record.progress, change.progress ?? record.progress)];
  const added = happened.map((each, index): Transition => {
    return { ...actor, ...each, number: first + index, message: each.message.slice(0, MAX_MESSAGE) };
  });
  const transitions = [...record.transitions, ...added].slice(-MAX_TRANSITIONS);
  return { ...record, ...change, number: record.number + 1, stamp: newStamp(), transitions };
}

export function newStamp(): string {
  return randomBytes(9).toString('base64url');
}

/** Has come to its end and has nothing left to do. */
export function hasEnded({ state, pending }: RolloutProgress): boolean {
  return (state.kind === 'completed' || state.kind === 'aborted') && pending.length === 0;
}

/** The value of the record's key. What is old gives way when it would be larger than {@link MAX_RECORD_BYTES}. */
export function encodeRecord(record: RolloutRecord): string {
  let { transitions, past } = record;
  for (;;) {
    const text = JSON.stringify({ ...record, transitions, past });
    if (Buffer.byteLength(text) <= MAX_RECORD_BYTES || transitions.length + past.length <= 2) return text;
    if (past.length > 1) past = past.slice(1);
    else transitions = transitions.slice(1);
  }
}

/**
 * Parses a record; a text in place of it says why it is not valid. Anyone with write access to the key may write the
 * text, so the document in it is validated like a new one, and unknown actions are refused.
 */
export function decodeRecord(text: string, service: string): RolloutRecord | string {
  const raw = parseJsonRecord(text);
  if (raw?.['format'] !== 1 || raw['service'] !== service) return NO_RECORD;
  const { progress, policy, transitions, past } = raw;
  if (!Number.isSafeInteger(raw['number']) || !Array.isArray(transitions) || !Array.isArray(past)) return NO_RECORD;
  if (!isRecord(policy) || typeof policy['digest'] !== 'string' || !isRecord(progress)) return NO_RECORD;
  if (!isProgress(progress)) return NO_RECORD;
  const { problems, document } = validateRollout(progress['document']);
  if (document === undefined) return `its document: ${problems[0]?.message ?? 'not valid'}`;
  if (document.service !== service) return `its document: service: ${document.service} (expected: ${service})`;
  return raw as unknown as RolloutRecord;
}

const NO_RECORD = 'what stands there is no rollout of this service, or one of a newer graylane';
const KINDS: ReadonlySet<unknown> = new Set([
  'setWeight',
  'setRoute',
  'clearRoute',
  'setMirror',
  'promote',
  'rollback',
  'finish',
  'notify',
  'gate',
  'deployment',
]);

function isProgress({ state, id, step, pending, passage, deployment }: Readonly<Record<string, unknown>>): boolean {
  if (!isRecord(state) || typeof id !== 'string' || !Number.isSafeInteger(step) || !Array.isArray(pending))
    return false;
  if (passage !== undefined && !isPassage(passage)) return false;
  if (deployment !== undefined && !isBoundDeployment(deployment)) return false;
  // One that cannot be confirmed would be done again and again.
  return pending.every(
    (each: unknown) =>
      isRecord(each) &&
      Number.isSafeInteger(each['number']) &&
      KINDS.has(each['kind']) &&
      (each['kind'] !== 'deployment' || DEPLOYMENT_VERBS.has(each['verb'])),
  );
}

/** Who did something, and when (RFC 3339). */
export interface Actor {
  readonly by: string;
  readonly at: string;
}

/** What happened between two states of a rollout. Pure. */
function transitionsBetween(before: RolloutProgress, after: RolloutProgress): readonly Happened[] {
  const at = { step: after.step, weight: after.weight };
  const happened: Happened[] = [];
  if (before.state.kind !== after.state.kind || messageOf(before) !== messageOf(after)) {
    const isResumed = after.state.kind === 'running' && before.state.kind !== 'running';
    happened.push({ ...at, event: isResumed ? 'resumed' : after.state.kind, message: messageOf(after) });
  }
  if (before.waitingFor !== after.waitingFor && after.waitingFor !== undefined) {
    happened.push({ ...at, event: 'waiting', message: after.waitingFor });
  }
  const last = after.results.at(-1);
  if (last !== undefined && last.verdict === 'pass' && after.step > before.step && before.window?.kind === 'step') {
    const message = last.checks.map(({ message: each }) => each).join('; ');
    happened.push({ ...at, step: before.step, event: 'passed', message });
  }
  return happened;
}

function isPassage(passage: unknown): boolean {
  if (!isRecord(passage) || !Number.isSafeInteger(passage['step']) || !Array.isArray(passage['opened'])) return false;
  const asking = passage['asking'];
  return asking === undefined || (isRecord(asking) && typeof asking['gate'] === 'string');
}

/** An action that was done. `policy`: the number of the history entry that it wrote, undefined when none was needed. */
export function transitionOf(action: RolloutAction, after: RolloutProgress, policy?: number): Happened {
  const message =
    action.kind === 'notify'
      ? action.notice.event
      : action.kind === 'gate'
        ? `told ${action.gate}`
        : action.kind === 'deployment'
          ? action.verb
          : describeAction(action, after.document);
  const step = 'step' in action ? action.step : after.step;
  return { event: action.kind, step, weight: after.weight, message, ...defined({ policy }) };
}

/** What the state says of itself. */
export function messageOf({ state }: RolloutProgress): string {
  return 'message' in state ? state.message : '';
}
