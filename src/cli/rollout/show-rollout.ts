import { defined } from '../../base/defined';
import { sleep } from '../../base/sleep';
import { hasEnded } from '../../ops/rollout/record';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { noRollout, orFailure, readRollout, type StoreSession, withOneStore, withStore } from '../consul/store-session';
import { type CommandIo, fields } from '../io';
import { REDRAW } from '../live-screen';
import type { ScreenSize } from '../wrap-text';
import { describePlace, type FoundRollout, recordAsData, viewRollout } from './rollout-view';

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
    io.json(found.map(asData));
    for (const each of found) for (const line of linesOf(each, io)) io.line(line);
  });
}

async function readAll(service: string | undefined, session: StoreSession): Promise<readonly FoundRollout[]> {
  const { datacenters } = session;
  const stored = await Promise.all(
    datacenters.map(async (datacenter) => {
      const rollouts = session.rolloutsIn(datacenter);
      const names = service === undefined ? await rollouts.names() : [service];
      const read = await Promise.all(names.map((name) => rollouts.read(name)));
      return read.flatMap(({ record, holder }) => (record === undefined ? [] : [{ record, holder, datacenter }]));
    }),
  );
  const found = stored.flat();
  if (found.length > 0) return found;
  if (service !== undefined) throw noRollout(service);
  throw new CommandError(1, 'no service has a rollout', 'run graylane rollout start SERVICE --file rollout.yaml');
}

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
    for (const each of found) {
      const { record, holder } = each;
      const name = nameOfFound(each);
      const isNew = stamps.get(name) !== `${record.stamp} ${holder}`;
      stamps.set(name, `${record.stamp} ${holder}`);
      if (isLive) for (const line of linesOf(each, io, room)) io.line(line);
      else if (isNew) {
        io.jsonLine(asData(each));
        io.line(`${new Date().toISOString()} ${name} ${describePlace(record.progress)}`);
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

function nameOfFound({ record: { service }, datacenter }: FoundRollout): string {
  return datacenter === undefined ? service : `${service} in ${datacenter}`;
}

function asData({ record, holder, datacenter }: FoundRollout): Record<string, unknown> {
  return { ...recordAsData(record, holder), ...defined({ datacenter }) };
}

function linesOf(found: FoundRollout, io: CommandIo, room?: ScreenSize): readonly string[] {
  return viewRollout(found.record, found.holder, io.colors, Date.now(), { room, name: nameOfFound(found) });
}

/** `rollout history`. */
export async function showHistory(service: string, flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withOneStore(flags, io, async (session) => {
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
