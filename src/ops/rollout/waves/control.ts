import { sleep } from '../../../base/sleep';
import { newId, type Refused, refusalToBegin, refused } from '../control';
import { MAX_RECORD_BYTES, newStamp } from '../record';
import { nameOfMember, rolloutOf, type WavesDocument } from './document';
import type { MembersContext } from './member';
import { abortWaves, haveEnded, pauseWaves, resumeWaves, startWaves, type WavesProgress } from './progress';
import { nextWaves, type StoredWaves, type WavesRecord, type WavesStore } from './record';

export type WavesCommand = 'pause' | 'resume' | 'abort';

/** The new record, or why the command was refused and what to do next. */
export type WavesResult = { readonly kind: 'done'; readonly record: WavesRecord } | Refused;

export interface WavesControl {
  readonly waves: WavesStore;
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Name of the person, for the history. */
  readonly by: string;
  /** Reason of an abort. */
  readonly reason?: string;
  /** An abort takes back members that have reached their end, whatever the document says. */
  readonly all?: boolean;
}

/** A controller may write the record at any time; the command is then applied to the new record. */
const ATTEMPTS = 20;

/**
 * Writes the first record of some waves, which a controller then leads. Every member is judged as `rollout start` does,
 * so that the last of them is not the first to be refused. Changes no policy. Rejects with POLICY_UNAVAILABLE.
 */
export async function beginWaves(
  document: WavesDocument,
  control: WavesControl,
  members: Pick<MembersContext, 'contextOf'>,
): Promise<WavesResult> {
  const { name } = document;
  const stored = await control.waves.read(name);
  const former = stored.record;
  if (former !== undefined && !haveEnded(former.progress)) {
    const { id, state } = former.progress;
    const reason = `waves ${name} are under way: ${id} of ${former.startedBy}, ${state.kind}`;
    return refused(reason, `run graylane waves status ${name}, or abort them`);
  }
  for (const member of document.waves.flatMap((wave) => wave.members)) {
    const refusal = await refusalToBegin(rolloutOf(document, member), members.contextOf(member.datacenter));
    if (refusal !== undefined) return { ...refusal, reason: `${nameOfMember(member)}: ${refusal.reason}` };
  }
  const nowMs = control.now();
  const progress = startWaves(newId(nowMs), document, nowMs);
  const blank: WavesRecord = {
    ...{ format: 1, name, number: former?.number ?? 0, stamp: newStamp(), startedBy: control.by },
    ...{ progress, transitions: [] },
  };
  const message = `${document.waves.length} waves, ${progress.members.length} rollouts`;
  const record = next(blank, progress, 'started', message, control);
  const bytes = Buffer.byteLength(JSON.stringify(record));
  if (bytes > MAX_RECORD_BYTES / 2) {
    const reason = `the waves: ${bytes} bytes as JSON (expected: at most ${MAX_RECORD_BYTES / 2})`;
    return refused(reason, 'say what members have in common once, in rollout');
  }
  const faster = `somebody else has just started waves ${name}, and nothing of yours was written`;
  return (await write(stored, record, control)) ?? refused(faster, `run graylane waves status ${name}`);
}

/** Carries out a person's command. A running controller reacts at once. Rejects with POLICY_UNAVAILABLE. */
export async function controlWaves(name: string, command: WavesCommand, control: WavesControl): Promise<WavesResult> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const stored = await control.waves.read(name);
    const { record } = stored;
    if (record === undefined) return refused(`there are no waves ${name}`, 'run graylane waves start FILE');
    const { progress } = record;
    const changed = applyCommand(progress, command, control);
    if (changed === undefined) {
      const reason = `waves ${name} are ${progress.state.kind}: nothing to ${command}`;
      return refused(reason, `run graylane waves status ${name}`);
    }
    const result = await write(stored, next(record, changed, command, 'asked for', control), control);
    if (result !== undefined) return result;
    await sleep(Math.random() * 20 * (attempt + 1));
  }
  return refused(`lost the race ${ATTEMPTS} times`, 'try again');
}

/** Undefined when the command is not possible in this state. */
function applyCommand(
  progress: WavesProgress,
  command: WavesCommand,
  { by, reason, all = progress.document.onFailure === 'take-back-all', now }: WavesControl,
): WavesProgress | undefined {
  switch (command) {
    case 'pause':
      return pauseWaves(progress, `paused by ${by}`, now());
    case 'resume':
      return resumeWaves(progress);
    case 'abort':
      return abortWaves(progress, `aborted by ${by}${reason === undefined ? '' : `: ${reason}`}`, all, now());
  }
}

function next(
  record: WavesRecord,
  progress: WavesProgress,
  event: string,
  message: string,
  { by, now }: WavesControl,
): WavesRecord {
  const asked = { wave: progress.wave, event, message };
  return nextWaves(record, progress, { by, at: new Date(now()).toISOString() }, [asked]);
}

/** Undefined when another writer was faster. */
async function write(
  before: StoredWaves,
  record: WavesRecord,
  { waves }: WavesControl,
): Promise<WavesResult | undefined> {
  const outcome = await waves.write(before, record, undefined);
  if (outcome.kind === 'written') return { kind: 'done', record };
  return outcome.kind === 'lost' ? undefined : refused(outcome.reason, 'check what the ACL token permits');
}
