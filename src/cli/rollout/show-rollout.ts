import { defined } from '../../base/defined';
import { hasEnded } from '../../ops/rollout/record';
import { checkMayRead } from '../../ops/store/kv';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { noRollout, readRollout, type StoreSession, withOneStore, withStore } from '../consul/store-session';
import { type CommandIo, fields } from '../io';
import type { ScreenSize } from '../wrap-text';
import { describePlace, type FoundRollout, recordAsData, viewRollout } from './rollout-view';
import { watchRecords } from './watch-records';

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
  for (const datacenter of datacenters) await checkMayRead(session.connection.client, 'graylane/rollouts', datacenter);
  throw new CommandError(1, 'no service has a rollout', 'run graylane rollout start SERVICE --file rollout.yaml');
}

function watch(service: string | undefined, session: StoreSession, io: CommandIo): Promise<void> {
  return watchRecords<FoundRollout>(
    {
      read: () => readAll(service, session),
      nameOf: nameOfFound,
      stampOf: ({ record, holder }) => `${record.stamp} ${holder}`,
      describe: ({ record }) => describePlace(record.progress),
      asData,
      linesOf: (each, room) => linesOf(each, io, room),
      hasEnded: ({ record }) => hasEnded(record.progress),
      isTakenBack: ({ record }) => record.progress.state.kind === 'aborted',
    },
    io,
  );
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
