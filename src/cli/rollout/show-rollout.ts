import { sleep } from '../../base/sleep';
import { hasEnded, type RolloutRecord } from '../../ops/rollout/record';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { noRollout, orFailure, readRollout, type StoreSession, withStore } from '../consul/store-session';
import { type CommandIo, fields } from '../io';
import { REDRAW } from '../live-screen';
import { describePlace, recordAsData, viewRollout } from './rollout-view';

const LOOK_MS = 1000;

/** `rollout status`. */
export async function showStatus(
  service: string | undefined,
  flags: ConsulFlags & { readonly watch?: boolean },
  io: CommandIo,
): Promise<void> {
  await withStore(flags, io, async (session) => {
    if (flags.watch === true) return watch(service, session, io);
    const found = await readAll(service, session);
    io.json(found.map(({ record, holder }) => recordAsData(record, holder)));
    for (const { record, holder } of found) {
      for (const line of viewRollout(record, holder, io.colors, Date.now())) io.line(line);
    }
  });
}

async function readAll(service: string | undefined, { rollouts }: StoreSession): Promise<readonly FoundRollout[]> {
  const names = service === undefined ? await rollouts.services() : [service];
  const stored = await Promise.all(names.map((name) => rollouts.read(name)));
  const found = stored.flatMap(({ record, holder }) => (record === undefined ? [] : [{ record, holder }]));
  if (found.length > 0) return found;
  if (service !== undefined) throw noRollout(service);
  throw new CommandError(1, 'no service has a rollout', 'run graylane rollout start SERVICE --file rollout.yaml');
}

/** `holder`: the controller that drives it. */
type FoundRollout = { readonly record: RolloutRecord; readonly holder: string | undefined };

/**
 * Redraws on a terminal, prints a line for each change in a pipe. Ends with the last rollout, or when interrupted;
 * with 3 when one was taken back.
 */
async function watch(service: string | undefined, session: StoreSession, io: CommandIo): Promise<void> {
  const { interrupted } = io;
  const isLive = io.isTerminal && !io.asJson;
  const stamps = new Map<string, string>();
  let problem: string | undefined;
  let found = await readAll(service, session);
  while (!interrupted.aborted) {
    if (isLive) io.write(REDRAW);
    // The last row stays free for the cursor.
    const room = { rows: Math.floor((io.rows - 1) / found.length), columns: io.columns };
    for (const { record, holder } of found) {
      const isNew = stamps.get(record.service) !== `${record.stamp} ${holder}`;
      stamps.set(record.service, `${record.stamp} ${holder}`);
      if (isLive) for (const line of viewRollout(record, holder, io.colors, Date.now(), room)) io.line(line);
      else if (isNew) {
        io.jsonLine(recordAsData(record, holder));
        io.line(`${new Date().toISOString()} ${record.service} ${describePlace(record.progress)}`);
      }
    }
    if (isLive && problem !== undefined) io.line(io.colors.yellow(problem));
    if (found.every(({ record }) => hasEnded(record.progress))) {
      if (found.some(({ record }) => record.progress.state.kind === 'aborted')) io.exitCode = 3;
      return;
    }
    await sleep(LOOK_MS, interrupted);
    const next = await orFailure(readAll(service, session));
    if ('failure' in next) {
      if (!isLive && problem === undefined) io.note(`graylane: ${next.failure}; goes on looking`);
      problem = next.failure;
    } else {
      found = next;
      problem = undefined;
    }
  }
}

/** `rollout history`. */
export async function showHistory(service: string, flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const { record } = await readRollout(session, service);
    const { progress, transitions, past, startedBy } = record;
    io.json({ service, id: progress.id, startedBy, state: progress.state, transitions, past });
    io.line(`${io.colors.bold(`${service} ${progress.id}`)}  ${describePlace(progress)}`);
    await io.table(transitions, {
      '#': ({ number }) => number,
      ...fields('at', 'event'),
      step: ({ step }) => step + 1,
      weight: ({ weight }) => `${weight} %`,
      ...fields('policy', 'by', 'message'),
    });
    if (past.length === 0) return;
    io.line();
    await io.table(past, {
      before: ({ id }) => id,
      started: ({ startedAt }) => startedAt,
      ended: ({ endedAt }) => endedAt,
      result: ({ result }) => result,
      by: ({ startedBy: who }) => who,
      message: ({ message }) => message,
    });
  });
}
