import { importEntries, lintEntries, servicesIn, tableOf } from '../../ops/entries/lint';
import { type ConfigEntry, readEntries } from '../../ops/entries/read';
import { type ImportLoss, ImportReport } from '../../ops/imports/report';
import { CommandError } from '../command';
import type { CommandIo } from '../io';
import { describeInFile } from '../policy-files';
import { type OutputFlags, presentImport, readSourceTexts, showLosses } from './present-import';

const ENTRY_FILE = /\.(?:ya?ml|json|hcl)$/i;

interface EntryFlags {
  readonly service?: string;
  readonly dc: string;
}

/** `policy lint-entries`. */
export async function lintEntryFiles(files: readonly string[], flags: EntryFlags, io: CommandIo): Promise<void> {
  const report = new ImportReport();
  const entries = await readEntryFiles(files, report, io);
  const table = tableOf(entries);
  const verdicts = chosen(entries, files, flags).map((service) => lintEntries(table, service, flags.dc));
  const bad = verdicts.filter(({ refused, notHonoured }) => refused.length + notHonoured.length > 0);
  const unread = report.losses;
  if (bad.length + unread.length > 0) io.exitCode = 1;
  io.json({ services: verdicts, unread, notes: report.notes });
  const { colors } = io;
  const tell = (word: string, losses: readonly ImportLoss[]): void => {
    for (const loss of losses) {
      io.line(`${word} ${loss.file === undefined ? loss.message : describeInFile(loss.file, loss)}`);
    }
  };
  tell(colors.red('refused'), unread);
  for (const { service, refused, notHonoured } of verdicts) {
    tell(colors.red('refused'), refused);
    tell(colors.yellow('not honoured'), notHonoured);
    if (refused.length + notHonoured.length === 0) io.line(`${colors.green('ok')} ${service}: every field is honoured`);
  }
  for (const note of report.notes) io.note(note);
}

/** `policy import-entries`. */
export async function importEntryFiles(
  files: readonly string[],
  flags: EntryFlags & OutputFlags,
  io: CommandIo,
): Promise<void> {
  const report = new ImportReport();
  const entries = await readEntryFiles(files, report, io);
  const services = chosen(entries, files, flags);
  const [service] = services;
  if (service === undefined || services.length > 1) {
    showLosses(report.losses, io);
    const message = `${files.join(', ')}: ${services.length} services (expected: one of ${services.join(', ')})`;
    throw new CommandError(2, message, 'name one with --service');
  }
  const { document, losses, notes } = importEntries(tableOf(entries), service, flags.dc);
  const unsaid = [...report.losses, ...losses];
  await presentImport({ service, document, unsaid, notes: [...notes, ...report.notes] }, flags, io);
}

async function readEntryFiles(
  files: readonly string[],
  report: ImportReport,
  io: CommandIo,
): Promise<readonly ConfigEntry[]> {
  const entries = readEntries(await readSourceTexts(files, ENTRY_FILE), report);
  if (servicesIn(entries).length > 0) return entries;
  showLosses(report.losses, io);
  const message = `${files.join(', ')}: no service-router, service-splitter or service-resolver (expected: one at least)`;
  throw new CommandError(report.losses.length > 0 ? 1 : 2, message, 'check the files');
}

function chosen(entries: readonly ConfigEntry[], files: readonly string[], { service }: EntryFlags): readonly string[] {
  const services = servicesIn(entries);
  if (service === undefined) return services;
  if (services.includes(service)) return [service];
  const message = `${files.join(', ')}: --service: ${service} (expected: one of ${services.join(', ')})`;
  throw new CommandError(2, message, 'name one of them');
}
