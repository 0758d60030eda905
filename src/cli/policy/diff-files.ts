import type { ConsulFlags } from '../consul/consul-connection';
import { withStore } from '../consul/store-session';
import { inSlices } from '../in-slices';
import type { CommandIo } from '../io';
import { changeAsMarkdown } from './markdown-change';
import { harmsOf } from './planned-change';
import { isDifferent, noteFailures, type PlannedService, planService } from './planned-service';
import { changeAsData, showChange } from './show-change';
import { readSound } from './sound-policies';

export interface DiffShape {
  readonly json: boolean;
  readonly markdown?: boolean;
}

/** `policy diff`: ends with 1 when something differs, as diff does. */
export async function diffFiles(
  paths: readonly string[],
  settings: ConsulFlags & DiffShape,
  io: CommandIo,
): Promise<void> {
  const sound = await readSound(paths, io, settings.json);
  await withStore(settings, io, async (session) => {
    showDifferences(await inSlices(sound, (each) => planService(each, session, undefined)), settings, io);
  });
}

/** Sets exit code 1 when something differs, or a datacenter did not say what it has. */
export function showDifferences(
  planned: readonly PlannedService[],
  { json, markdown }: DiffShape,
  io: CommandIo,
): void {
  const changes = planned.flatMap((each) => each.changes);
  if (json) io.json(changes.map(changeAsData));
  else if (markdown === true) for (const change of changes) io.write(changeAsMarkdown(change));
  else {
    for (const change of changes) {
      showChange(change, io);
      for (const text of harmsOf(change)) io.line(`${io.colors.yellow('warning')} ${text}`);
    }
  }
  for (const each of planned) noteFailures(each, planned.length > 1, io);
  if (planned.some((each) => isDifferent(each) || each.failures.length > 0)) io.exitCode = 1;
}
