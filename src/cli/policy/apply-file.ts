import { documentText } from '../../policy/store/policy-store';
import { CommandError } from '../command-error';
import type { ConsulFlags } from '../consul/consul-connection';
import { effectIn } from '../consul/registry-view';
import { capacityIn } from '../consul/store-capacity';
import { nameOf, type Reading, readAll, type StoreSession, withStore } from '../consul/store-session';
import type { WaitSettings } from '../fleet/wait';
import { describeInFile, type PolicyFile, readPolicyFile } from '../input/policy-file';
import type { CommandIo } from '../io';
import { changeAsMarkdown } from './markdown-change';
import { harmsOf, isUnchanged, type PlannedChange, planChange } from './planned-change';
import { changeAsData, showChange } from './show-change';
import { type AfterWriting, writeChanges } from './write-change';

export interface ApplySettings extends ConsulFlags {
  readonly json: boolean;
  readonly message: string;
  readonly dryRun?: boolean;
  readonly allowReshuffle?: boolean;
  readonly force?: boolean;
  readonly maxLoadFactor: number;
  readonly ifRevision?: string;
  /** Asked once the change was shown, in place of `message`: why, or undefined to leave it. Default: nobody is asked. */
  readonly confirm?: () => Promise<string | undefined>;
  /** Until everybody follows. */
  readonly wait?: WaitSettings;
}

/** `policy apply`: everything is judged in every datacenter before anything is written in one. */
export async function applyFile(file: string, settings: ApplySettings, io: CommandIo): Promise<void> {
  const sound = await readSound(file, io, settings.json);
  await applyText({ ...sound, again: `run graylane policy diff ${file}, then apply again` }, settings, io);
}

/** What stands in no file: the same way, from the same text. Throws a PolicyError when it is no valid policy. */
export async function applyText(
  { service, text, again }: { readonly service: string; readonly text: string; readonly again: string },
  settings: ApplySettings,
  io: CommandIo,
): Promise<void> {
  await withStore(settings, io, async (session) => {
    const readings = await readAll(session, service);
    const changes = await planAll(readings, text, session, settings);
    if (!settings.json) for (const change of changes) showChange(change, io);
    const refusals = changes.flatMap((change) => refusalsOf(change, settings));
    const failures = readings.filter((reading) => 'failure' in reading);
    if (refusals.length > 0 || settings.dryRun === true) {
      if (settings.json)
        io.json(
          changes.map((change) => ({ ...changeAsData(change), outcome: refusals.length > 0 ? 'refused' : 'planned' })),
        );
      for (const { datacenter, failure } of failures) io.note(`graylane: ${nameOf(datacenter)}: ${failure}`);
      if (refusals.length > 0 || failures.length > 0) io.exitCode = 1;
      if (refusals.length > 0) throw refused(refusals);
      return;
    }
    const isAsked = settings.confirm !== undefined && !changes.every(isUnchanged);
    const message = isAsked ? await settings.confirm?.() : settings.message;
    if (message === undefined) throw new CommandError(1, 'nothing was written');
    await writeChanges(
      changes,
      failures,
      { kind: 'apply', message, again },
      session,
      io,
      settings.json,
      await waiting(service, session, settings, io),
    );
  });
}

/** Loaded only where it is asked for. */
async function waiting(
  service: string,
  { connection }: StoreSession,
  { wait, json }: ApplySettings,
  io: CommandIo,
): Promise<AfterWriting | undefined> {
  if (wait === undefined) return undefined;
  const { waitForFleet } = await import('../fleet/wait.js');
  return (datacenters) => waitForFleet(service, datacenters, wait, connection, io, json);
}

/** `policy diff`: ends with 1 when something differs, as diff does. */
export async function diffFile(
  file: string,
  settings: ConsulFlags & { readonly json: boolean; readonly markdown?: boolean },
  io: CommandIo,
): Promise<void> {
  const { service, text } = await readSound(file, io, settings.json);
  await withStore(settings, io, async (session) => {
    const readings = await readAll(session, service);
    const changes = await planAll(readings, text, session, undefined);
    if (settings.json) io.json(changes.map(changeAsData));
    else if (settings.markdown === true) for (const change of changes) io.write(changeAsMarkdown(change));
    else {
      for (const change of changes) {
        showChange(change, io);
        for (const text of harmsOf(change)) io.line(`${io.colors.yellow('warning')} ${text}`);
      }
    }
    for (const reading of readings) {
      if ('failure' in reading) io.note(`graylane: ${nameOf(reading.datacenter)}: ${reading.failure}`);
    }
    if (!changes.every(isUnchanged) || changes.length < readings.length) io.exitCode = 1;
  });
}

async function readSound(
  file: string,
  io: CommandIo,
  json: boolean,
): Promise<{ readonly service: string; readonly text: string }> {
  const judged = await readPolicyFile(file);
  const { document, problems, warnings } = judged;
  if (document === undefined) throw invalid(judged, io, json);
  for (const warning of warnings) io.note(`${io.colors.yellow('warning')} ${describeInFile(file, warning)}`);
  const text = documentText(document);
  if (problems.length > 0) throw invalid(judged, io, json);
  return { service: document.service, text };
}

function invalid({ file, problems }: PolicyFile, io: CommandIo, json: boolean): CommandError {
  if (json) io.json([{ outcome: 'invalid', problems }]);
  else for (const problem of problems) io.note(`${io.colors.red('error')} ${describeInFile(file, problem)}`);
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return new CommandError(
    1,
    `${file}: refused, ${count}; nothing was written`,
    `mend it and run graylane policy validate ${file}`,
  );
}

async function planAll(
  readings: readonly Reading[],
  text: string,
  session: StoreSession,
  settings: ApplySettings | undefined,
): Promise<readonly PlannedChange[]> {
  const changes: PlannedChange[] = [];
  for (const reading of readings) {
    if ('failure' in reading) continue;
    const { stored } = reading;
    const capacity = settings === undefined ? undefined : capacityIn(session, stored, settings.maxLoadFactor);
    const effect = effectIn(session.connection, stored, { tolerant: settings === undefined });
    changes.push(await planChange(stored, text, capacity, effect));
  }
  return changes;
}

function refusalsOf(
  change: PlannedChange,
  settings: ApplySettings,
): readonly { readonly text: string; readonly flag: string }[] {
  const refusals: { text: string; flag: string }[] = [];
  const place = nameOf(change.stored.datacenter);
  const { ifRevision } = settings;
  const found = change.before?.revision ?? 'none';
  if (ifRevision !== undefined && !(ifRevision.length >= 4 && found.startsWith(ifRevision))) {
    refusals.push({
      text: `${place}: revision ${found} is in force (expected: ${ifRevision})`,
      flag: 'look at graylane policy log',
    });
  }
  if (settings.allowReshuffle !== true) {
    for (const text of change.reshuffles) refusals.push({ text: `${place}: ${text}`, flag: '--allow-reshuffle' });
  }
  if (settings.force !== true) {
    for (const text of [...harmsOf(change), ...change.overloads]) {
      refusals.push({ text: `${place}: ${text}`, flag: '--force' });
    }
  }
  return refusals;
}

function refused(refusals: readonly { readonly text: string; readonly flag: string }[]): CommandError {
  const flags = [...new Set(refusals.map(({ flag }) => flag))].join(' ');
  const texts = refusals.map(({ text }) => text).join('; ');
  return new CommandError(1, `refused, nothing was written: ${texts}`, `change it, or, if it is meant, ${flags}`);
}
