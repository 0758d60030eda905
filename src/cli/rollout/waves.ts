import type { Command } from 'commander';
import { defined } from '../../base/defined';
import { NO_CONFIG } from '../../ops/rollout/config/controller-config';
import { beginWaves, controlWaves, type WavesCommand } from '../../ops/rollout/waves/control';
import { nameOfMember, rolloutOf, type WavesDocument } from '../../ops/rollout/waves/document';
import { haveEnded } from '../../ops/rollout/waves/progress';
import type { WavesRecord } from '../../ops/rollout/waves/record';
import { parseWaves } from '../../ops/rollout/waves/validate';
import { checkMayRead } from '../../ops/store/kv';
import { CommandError } from '../command';
import type { ConsulFlags } from '../consul/consul-connection';
import { orFailure, type StoreSession, withStore } from '../consul/store-session';
import { counted } from '../describe';
import { type CommandIo, fields } from '../io';
import { formatOf, noteProblems, readBytes } from '../policy-files';
import { membersContext } from './lead-waves';
import { describeStep, type FoundRollout } from './rollout-view';
import { startRefusal } from './start-refusal';
import { watchRecords } from './watch-records';
import { describeWaves, viewWaves } from './waves-view';

interface StartFlags extends ConsulFlags {
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/** `waves start`. */
export async function startWavesFromFlags(file: string, flags: StartFlags, io: CommandIo): Promise<void> {
  const document = await readWaves(file, io);
  const { name } = document;
  if (flags.dryRun === true) {
    io.json({ name, outcome: 'planned', document });
    showMembers(document, io);
    return;
  }
  await withStore(flags, io, async (session) => {
    if (flags.force !== true) await refuseWithoutInstances(document, session);
    const by = await session.author();
    const control = { waves: session.waves, by, now: Date.now };
    const begun = await beginWaves(document, control, membersContext(session, { name: by, config: NO_CONFIG }, io));
    if (begun.kind === 'refused') throw new CommandError(1, begun.reason, begun.nextStep);
    const { id } = begun.record.progress;
    io.json({ name, outcome: 'started', id });
    io.line(`${io.colors.green('started')} waves ${name}: ${id}`);
    showMembers(document, io);
    const places = new Set(document.waves.flatMap(({ members }) => members.map(({ datacenter }) => datacenter)));
    const named = [...places].filter((place) => place !== undefined);
    const where = named.length === 0 ? '' : ` --dc ${named.join(',')}`;
    io.note(`controllers take it from here: graylane rollout run${where}, or one in each datacenter`);
  });
}

async function readWaves(file: string, io: CommandIo): Promise<WavesDocument> {
  const { document, problems } = parseWaves(await readBytes(file), formatOf(file));
  if (document !== undefined) return document;
  io.json({ outcome: 'invalid', problems });
  if (!io.asJson) noteProblems(file, problems, 'error', io);
  const count = counted(problems.length, 'problem');
  throw new CommandError(1, `${file}: refused, ${count}; nothing was written`, 'mend it and start again');
}

/** A member whose canary has no instances would keep its wave waiting. */
async function refuseWithoutInstances(document: WavesDocument, session: StoreSession): Promise<void> {
  const missing: string[] = [];
  for (const member of document.waves.flatMap(({ members }) => members)) {
    const why = await startRefusal(rolloutOf(document, member), member.datacenter, session);
    if (why !== undefined) missing.push(`${nameOfMember(member)}: ${why}`);
  }
  if (missing.length === 0) return;
  const next = 'see that they are registered, or, if they come later, --force: each member waits for its own';
  throw new CommandError(1, `refused, nothing was started: ${missing.join('; ')}`, next);
}

function showMembers(document: WavesDocument, io: CommandIo): void {
  for (const [at, { members, bakeMs = document.bakeMs ?? 0 }] of document.waves.entries()) {
    for (const member of members) {
      const rollout = rolloutOf(document, member);
      const steps = rollout.steps.map((step) => describeStep(step, rollout)).join(', ');
      io.line(`  ${at + 1}  ${nameOfMember(member)}: ${steps}`);
    }
    if (bakeMs > 0 && at + 1 < document.waves.length) io.line(`     bakes for ${bakeMs / 1000} s`);
  }
}

interface ControlFlags extends ConsulFlags {
  readonly message?: string;
  readonly all?: boolean;
}

/** By the name of the command. */
const DONE = { pause: 'paused', resume: 'resumed', abort: 'aborted' } as const;

/** `waves pause`, `resume` and `abort`. */
export async function controlWavesFromFlags(
  name: string,
  flags: ControlFlags,
  io: CommandIo,
  command: Command,
): Promise<void> {
  const action = command.name() as WavesCommand;
  await withStore(flags, io, async ({ waves, author }) => {
    const reason = (flags.message ?? '').trim();
    const control = { waves, by: await author(), now: Date.now, ...(reason === '' ? {} : { reason }) };
    const result = await controlWaves(name, action, { ...control, ...defined({ all: flags.all }) });
    if (result.kind === 'refused') throw new CommandError(1, result.reason, result.nextStep);
    const { progress } = result.record;
    io.json({ outcome: DONE[action], ...asData(result.record, undefined) });
    io.line(`${io.colors.green(DONE[action])} waves ${name}: ${describeWaves(progress)}`);
    if (action === 'abort') io.note('a controller takes the members back: graylane rollout run');
  });
}

/** `waves status`. */
export async function showWaves(
  name: string | undefined,
  flags: ConsulFlags & { readonly watch?: boolean },
  io: CommandIo,
): Promise<void> {
  await withStore(flags, io, async (session) => {
    if (flags.watch === true) return watch(name, session, io);
    const found = await readAll(name, session);
    io.json(found.map(({ record, holder }) => asData(record, holder)));
    if (!io.asJson) for (const each of found) for (const line of await linesOf(each, session, io)) io.line(line);
  });
}

interface FoundWaves {
  readonly record: WavesRecord;
  readonly holder: string | undefined;
}

async function readAll(name: string | undefined, { waves, connection }: StoreSession): Promise<readonly FoundWaves[]> {
  const names = name === undefined ? await waves.names() : [name];
  const stored = await Promise.all(names.map((each) => waves.read(each)));
  const found = stored.flatMap(({ record, holder }) => (record === undefined ? [] : [{ record, holder }]));
  if (found.length > 0) return found;
  await checkMayRead(connection.client, 'graylane/waves', undefined);
  throw new CommandError(1, name === undefined ? 'there are no waves' : `there are no waves ${name}`, NO_WAVES);
}

const NO_WAVES = 'run graylane waves start FILE';

/** Members' rollouts are read only for a view: in `--json` each has the ID of its own. */
async function linesOf(
  { record, holder }: FoundWaves,
  session: StoreSession,
  io: CommandIo,
): Promise<readonly string[]> {
  const rollouts = new Map<number, FoundRollout>();
  await Promise.all(
    record.progress.members.map(async ({ service, datacenter, state, id }, index) => {
      if (state !== 'running') return;
      const stored = await orFailure(session.rolloutsIn(datacenter).read(service));
      if ('failure' in stored || stored.record === undefined || stored.record.progress.id !== id) return;
      rollouts.set(index, { record: stored.record, holder: stored.holder, datacenter });
    }),
  );
  return viewWaves(record, holder, rollouts, io.colors, Date.now());
}

function watch(name: string | undefined, session: StoreSession, io: CommandIo): Promise<void> {
  return watchRecords<FoundWaves>(
    {
      read: () => readAll(name, session),
      nameOf: ({ record }) => `waves ${record.name}`,
      stampOf: ({ record }) => record.stamp,
      describe: ({ record }) => describeWaves(record.progress),
      asData: ({ record, holder }) => asData(record, holder),
      linesOf: (each) => linesOf(each, session, io),
      hasEnded: ({ record }) => haveEnded(record.progress),
      isTakenBack: ({ record }) => record.progress.state.kind === 'stopped',
    },
    io,
  );
}

/** `waves history`. */
export async function showWavesHistory(name: string, flags: ConsulFlags, io: CommandIo): Promise<void> {
  await withStore(flags, io, async (session) => {
    const [found] = await readAll(name, session);
    if (found === undefined) return;
    const { progress, transitions } = found.record;
    io.json({ name, id: progress.id, state: progress.state, transitions });
    io.line(`${io.colors.bold(`waves ${name} ${progress.id}`)}  ${describeWaves(progress)}`);
    await io.table(transitions, {
      '#': ({ number }) => number,
      ...fields('at', 'event'),
      wave: ({ wave }) => wave + 1,
      ...fields('member', 'by', 'message'),
    });
  });
}

/** Waves for `--json`. */
function asData({ name, startedBy, progress }: WavesRecord, holder: string | undefined): Record<string, unknown> {
  const { id, state, wave, bakeUntilMs, members, startedAtMs } = progress;
  const bakeUntil = bakeUntilMs === undefined ? undefined : new Date(bakeUntilMs).toISOString();
  return {
    ...{ name, id, startedBy, startedAt: new Date(startedAtMs).toISOString(), state, wave },
    ...defined({ bakeUntil }),
    ...{ hasEnded: haveEnded(progress), controller: holder ?? null, members },
  };
}
