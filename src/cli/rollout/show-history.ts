import type { CommandIo } from '../io';
import { type RolloutFlags, readRollout, withRollouts } from './rollout-session';
import { describePlace } from './rollout-view';

/** `rollout history`. */
export async function showHistory(service: string, flags: RolloutFlags, io: CommandIo): Promise<void> {
  await withRollouts(flags, io, async (session) => {
    const { record } = await readRollout(session, service);
    const { progress, transitions, past, startedBy } = record;
    if (flags.json === true) {
      io.json({ service, id: progress.id, startedBy, state: progress.state, transitions, past });
      return;
    }
    io.line(`${io.colors.bold(`${service} ${progress.id}`)}  ${describePlace(progress)}`);
    const rows = transitions.map(({ number, at, event, by, step, weight, message, policy }) => [
      ...[
        String(number),
        at,
        event,
        String(step + 1),
        `${weight} %`,
        policy === undefined ? '' : String(policy),
        by,
        message,
      ],
    ]);
    await io.table(['#', 'at', 'event', 'step', 'weight', 'policy', 'by', 'message'], rows);
    if (past.length === 0) return;
    io.line();
    const before = past.map(({ id, startedAt, endedAt, result, startedBy: who, message }) => [
      ...[id, startedAt, endedAt, result, who, message],
    ]);
    await io.table(['before', 'started', 'ended', 'result', 'by', 'message'], before);
  });
}
