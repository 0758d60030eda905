import { ImportReport } from '../../ops/imports/report';
import { readResources } from '../../ops/imports/resources';
import { readSources } from '../../ops/imports/sources';
import { chooseRollout, importRollout, isOfRollout, PLACEHOLDERS } from '../../ops/rollout/imports/import';
import { CommandError } from '../command';
import type { CommandIo } from '../io';
import { type OutputFlags, presentDocument, readSourceTexts, showLosses } from '../policy/present-import';

interface ImportFlags extends OutputFlags {
  readonly name?: string;
  readonly canary: string;
  readonly stable: string;
}

/** `rollout import`. */
export async function importRolloutFiles(files: readonly string[], flags: ImportFlags, io: CommandIo): Promise<void> {
  const report = new ImportReport();
  const { documents, faults } = readSources(await readSourceTexts(files), PLACEHOLDERS);
  for (const fault of faults) report.fault(fault);
  const all = readResources(documents, report);
  const resources = all.filter(isOfRollout);
  const choice = chooseRollout(resources, flags.name);
  if ('fault' in choice) {
    showLosses(report.losses, io);
    const exitCode = faults.length > 0 ? 1 : 2;
    throw new CommandError(
      exitCode,
      `${files.join(', ')}: ${choice.fault}`,
      'check the files, or name one with --name',
    );
  }
  const others = all.filter((resource) => !resources.includes(resource)).map(({ path }) => path);
  if (others.length > 0) report.note(`not looked at: ${others.join(', ')}`);
  const { canary, stable } = flags;
  const imported = importRollout(choice.rollout, resources, { canary, stable }, report);
  const { service, document, losses, notes } = imported;
  const tryOut = (file: string): string => `graylane rollout start ${service} --file ${file} --dry-run`;
  await presentDocument({ service, document, unsaid: losses, notes }, 'rollout', tryOut, flags, io);
}
