import { GraylaneError } from '../../base/errors';
import { sleep } from '../../base/sleep';
import { hasEnded } from '../../ops/rollout/record';
import type { StoredRollout } from '../../ops/rollout/store';
import { CommandError } from '../command';
import { noRollout, type RolloutFlags, type RolloutSession, readRollout, withRollouts } from '../consul/store-session';
import type { CommandIo } from '../io';
import { REDRAW } from '../live-screen';
import { describePlace, recordAsData, viewRollout } from './rollout-view';

const LOOK_MS = 1000;

/** `rollout status`. */
export async function showStatus(
  service: string | undefined,
  flags: RolloutFlags & { readonly watch?: boolean },
  io: CommandIo,
): Promise<void> {
  await withRollouts(flags, io, async (session) => {
    if (flags.watch === true) return watch(service, flags, session, io);
    const found = await readAll(service, session);
    if (flags.json === true) io.json(found.map(({ record, holder }) => record && recordAsData(record, holder)));
    else for (const stored of found) for (const line of view(stored, io)) io.line(line);
  });
}

async function readAll(service: string | undefined, { rollouts }: RolloutSession): Promise<readonly StoredRollout[]> {
  const names = service === undefined ? await rollouts.services() : [service];
  const found = (await Promise.all(names.map((name) => rollouts.read(name)))).filter(
    ({ record }) => record !== undefined,
  );
  if (found.length > 0) return found;
  throw service === undefined
    ? new CommandError(1, 'no service has a rollout', 'run graylane rollout start SERVICE --file rollout.yaml')
    : noRollout(service);
}

/** Drawn anew on a terminal, a line for each change in a pipe. Ends with the last rollout, or when interrupted. */
async function watch(
  service: string | undefined,
  flags: RolloutFlags,
  session: RolloutSession,
  io: CommandIo,
): Promise<void> {
  const { interrupted } = io;
  const stamps = new Map<string, string>();
  let problem: string | undefined;
  let found = await readAll(service, session);
  while (!interrupted.aborted) {
    const isLive = io.isTerminal && flags.json !== true;
    if (isLive) io.write(REDRAW);
    // The last row stays free for the cursor.
    const room = { rows: Math.floor((io.rows - 1) / found.length), columns: io.columns };
    for (const { record, holder } of found) {
      if (record === undefined) continue;
      const isNew = stamps.get(record.service) !== `${record.stamp} ${holder}`;
      stamps.set(record.service, `${record.stamp} ${holder}`);
      if (isLive) for (const line of viewRollout(record, holder, io.colors, Date.now(), room)) io.line(line);
      else if (isNew && flags.json === true) io.jsonLine(recordAsData(record, holder));
      else if (isNew) io.line(`${new Date().toISOString()} ${record.service} ${describePlace(record.progress)}`);
    }
    if (isLive && problem !== undefined) io.line(io.colors.yellow(problem));
    if (found.every(({ record }) => record === undefined || hasEnded(record.progress))) return;
    await sleep(LOOK_MS, interrupted);
    try {
      found = await readAll(service, session);
      problem = undefined;
    } catch (error) {
      if (!GraylaneError.is(error)) throw error;
      if (!isLive && problem === undefined) io.note(`graylane: ${error.message}; goes on looking`);
      problem = error.message;
    }
  }
}

function view({ record, holder }: StoredRollout, io: CommandIo): readonly string[] {
  return record === undefined ? [] : viewRollout(record, holder, io.colors, Date.now());
}

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
