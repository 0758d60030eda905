import { nameOfMember } from '../../ops/rollout/waves/document';
import type { MemberProgress, WavesProgress } from '../../ops/rollout/waves/progress';
import type { WavesRecord } from '../../ops/rollout/waves/record';
import type { CommandIo } from '../io';
import { describePlace, type FoundRollout, formatAge } from './rollout-view';

type Colors = CommandIo['colors'];

const STATE_COLORS: Readonly<Record<string, 'green' | 'red' | 'cyan'>> = {
  ...{ completed: 'green', running: 'cyan', starting: 'cyan' },
  ...{ failed: 'red', stopped: 'red', stopping: 'red' },
};

/** `running, wave 2 of 3`, and why they stand. */
export function describeWaves({ state, wave, document, bakeUntilMs }: WavesProgress): string {
  const why = 'message' in state ? ` (${state.message})` : '';
  const bakes = bakeUntilMs === undefined ? '' : `; the next begins at ${new Date(bakeUntilMs).toISOString()}`;
  return `${state.kind}${why}, wave ${wave + 1} of ${document.waves.length}${bakes}`;
}

/** The lines that show waves, with the rollouts of members that could be read, by their index. */
export function viewWaves(
  { progress, startedBy, name }: WavesRecord,
  holder: string | undefined,
  rollouts: ReadonlyMap<number, FoundRollout>,
  colors: Colors,
  nowMs: number,
): readonly string[] {
  const { id, state, members, startedAtMs } = progress;
  const driver = holder === undefined ? 'no controller drives them: run graylane rollout run' : `driven by ${holder}`;
  const isOver = state.kind === 'completed' || state.kind === 'stopped';
  const width = Math.max(...members.map((member) => nameOfMember(member).length));
  const paint = (text: string, kind: string): string => colors[STATE_COLORS[kind] ?? 'yellow'](text);
  return [
    `${colors.bold(`waves ${name}`)} ${id}  ${paint(describeWaves(progress), state.kind)}`,
    `  started ${formatAge(nowMs - startedAtMs)} ago by ${startedBy}${isOver ? '' : `; ${driver}`}`,
    ...members.map((member, index) => {
      const place = `${member.wave + 1}  ${nameOfMember(member).padEnd(width)}`;
      return `  ${place}  ${paint(describeMember(member, rollouts.get(index)), member.state)}`;
    }),
  ];
}

function describeMember({ state, message, waitingFor }: MemberProgress, found: FoundRollout | undefined): string {
  const waits = waitingFor === undefined ? '' : `; waits: ${waitingFor}`;
  if (state === 'waiting') return 'not begun';
  if (state === 'running' && found !== undefined) {
    const driver = found.holder === undefined ? '; no controller drives it' : '';
    return `${describePlace(found.record.progress)}${driver}${waits}`;
  }
  return `${state}${message === undefined ? '' : `: ${message}`}${waits}`;
}
