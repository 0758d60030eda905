import { isRecord } from '../../../base/is-record';
import type { BlockingQueryDeps } from '../../../consul/blocking-query';
import type { ConsulClient } from '../../../consul/client';
import { parseJsonRecord } from '../../store/kv';
import { type Actor, MAX_MESSAGE, MAX_RECORD_BYTES, newStamp } from '../record';
import { createRecordStore, type RecordStore, type RecordWatch, type StoredRecord, watchRecord } from '../record-store';
import { nameOfMember } from './document';
import type { MemberProgress, WavesProgress } from './progress';
import { validateWaves } from './validate';

/** What Consul holds of some waves: how far they are, and what happened. Plain JSON. */
export interface WavesRecord {
  /** Of this format. Always 1. */
  readonly format: 1;
  readonly name: string;
  /** From 1, one more with each write. */
  readonly number: number;
  /** Random, another with each write. */
  readonly stamp: string;
  readonly startedBy: string;
  readonly progress: WavesProgress;
  /** Oldest first, numbered without gaps; the oldest are dropped beyond 200. */
  readonly transitions: readonly WavesTransition[];
}

/** One thing that happened, never changed once written. */
interface WavesTransition {
  /** From 1, without gaps. */
  readonly number: number;
  /** RFC 3339, by the writer's clock. */
  readonly at: string;
  readonly event: string;
  /** A controller, or the user of the command. */
  readonly by: string;
  /** From 0. */
  readonly wave: number;
  /** `payments in dc2`; undefined: of all. */
  readonly member?: string;
  readonly message: string;
}

/** In the datacenter of the controller's agent; members' rollouts are each in their own. */
export type WavesStore = RecordStore<WavesRecord>;
export type StoredWaves = StoredRecord<WavesRecord>;

const PREFIX = 'graylane/waves';
const MAX_TRANSITIONS = 200;

export function createWavesStore(client: ConsulClient): WavesStore {
  return createRecordStore(client, { prefix: PREFIX, encode: encodeWaves, decode: decodeWaves }, undefined);
}

/** As `watchRollout()`. */
export function watchWaves(name: string, onChange: () => void, deps: BlockingQueryDeps): RecordWatch {
  return watchRecord(`${PREFIX}/${name}`, undefined, onChange, deps);
}

/** The next record to write. Its transitions get what happened between the two states. Pure but for the stamp. */
export function nextWaves(
  record: WavesRecord,
  progress: WavesProgress,
  actor: Actor,
  asked: readonly Happened[] = [],
): WavesRecord {
  const first = (record.transitions.at(-1)?.number ?? 0) + 1;
  const happened = [...asked, ...happenedBetween(record.progress, progress)];
  const added = happened.map((each, index): WavesTransition => {
    return { ...actor, ...each, number: first + index, message: each.message.slice(0, MAX_MESSAGE) };
  });
  const transitions = [...record.transitions, ...added].slice(-MAX_TRANSITIONS);
  return { ...record, progress, number: record.number + 1, stamp: newStamp(), transitions };
}

/** A transition before it is recorded. */
export type Happened = Omit<WavesTransition, 'number' | 'at' | 'by'>;

function happenedBetween(before: WavesProgress, after: WavesProgress): readonly Happened[] {
  const { wave } = after;
  const ofMembers = after.members.flatMap((member, index): readonly Happened[] => {
    const old = before.members[index];
    if (old === undefined || old === member) return [];
    const at = { wave: member.wave, member: nameOfMember(member) };
    const waits = member.waitingFor !== undefined && member.waitingFor !== old.waitingFor;
    return [
      ...(member.state === old.state ? [] : [{ ...at, event: member.state, message: describeMember(member) }]),
      ...(waits ? [{ ...at, event: 'waiting', message: member.waitingFor }] : []),
    ];
  });
  const happened: Happened[] = [...ofMembers];
  if (after.bakeUntilMs !== undefined && before.bakeUntilMs === undefined) {
    happened.push({ wave, event: 'baking', message: `until ${new Date(after.bakeUntilMs).toISOString()}` });
  }
  if (after.state.kind !== before.state.kind) {
    const message = 'message' in after.state ? after.state.message : '';
    happened.push({ wave, event: after.state.kind, message });
  }
  return happened;
}

function describeMember({ state, id, message }: MemberProgress): string {
  return message ?? (state === 'starting' ? `rollout ${id}` : '');
}

/** The value of the key. The oldest transitions give way when it would be larger than a record may be. */
function encodeWaves(record: WavesRecord): string {
  let { transitions } = record;
  for (;;) {
    const text = JSON.stringify({ ...record, transitions });
    if (Buffer.byteLength(text) <= MAX_RECORD_BYTES || transitions.length < 2) return text;
    transitions = transitions.slice(1);
  }
}

const NO_RECORD = 'what stands there are no waves of this name, or those of a newer graylane';
const STATES: ReadonlySet<unknown> = new Set(['running', 'paused', 'stopping', 'stopped', 'completed']);
const MEMBER_STATES: ReadonlySet<unknown> = new Set([
  ...['waiting', 'starting', 'running', 'completed', 'failed', 'taking-back', 'taken-back'],
]);

/**
 * Parses a record; a text in place of it says why it is not valid. Anyone with write access to the key may write the
 * text, so the document in it is validated like a new one, and members that are not the document's are refused.
 */
function decodeWaves(text: string, name: string): WavesRecord | string {
  const raw = parseJsonRecord(text);
  if (raw?.['format'] !== 1 || raw['name'] !== name || !Array.isArray(raw['transitions'])) return NO_RECORD;
  const { progress } = raw;
  if (!isRecord(progress) || typeof progress['id'] !== 'string' || !Number.isSafeInteger(progress['wave'])) {
    return NO_RECORD;
  }
  if (!isRecord(progress['state']) || !STATES.has(progress['state']['kind'])) return NO_RECORD;
  const { problems, document } = validateWaves(progress['document']);
  if (document === undefined) return `its document: ${problems[0]?.message ?? 'not valid'}`;
  if (document.name !== name) return `its document: name: ${document.name} (expected: ${name})`;
  const { members } = progress;
  const wanted = document.waves.flatMap((wave) => wave.members);
  if (!Array.isArray(members) || members.length !== wanted.length) return NO_RECORD;
  const isSame = members.every((each: unknown, index) => {
    if (!isRecord(each) || !MEMBER_STATES.has(each['state'])) return false;
    return each['service'] === wanted[index]?.service && each['datacenter'] === wanted[index]?.datacenter;
  });
  return isSame ? (raw as unknown as WavesRecord) : NO_RECORD;
}
