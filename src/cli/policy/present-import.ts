import { writeFile } from 'node:fs/promises';
import { writeYaml } from '../../base/yaml';
import type { ImportLoss } from '../../ops/imports/report';
import type { SourceText } from '../../ops/imports/sources';
import type { PolicyDocument } from '../../policy/document';
import type { PolicyProblem } from '../../policy/plan';
import { CommandError, codeOf } from '../command';
import { counted } from '../describe';
import type { CommandIo } from '../io';
import { describeInFile, findFiles, formatOf, planOf, readText } from '../policy-files';

/** A document made from rules of another system. */
export interface ImportedDocument {
  readonly service: string;
  readonly document: PolicyDocument | undefined;
  /** What the document does not say, by the places of what it was made from. */
  readonly unsaid: readonly (PolicyProblem | ImportLoss)[];
  /** A sentence each. */
  readonly notes: readonly string[];
}

export interface OutputFlags {
  readonly output?: string;
  readonly strict?: boolean;
}

/**
 * Shows the document, or writes it to `output` (JSON where the name ends in `.json`, else YAML). What it leaves out goes
 * to standard error. The command ends with 0 when nothing is left out, with 3 when something is, with 1 when no document
 * is left or, with `strict`, when anything is left out: then nothing is written.
 */
export async function presentImport(imported: ImportedDocument, flags: OutputFlags, io: CommandIo): Promise<void> {
  const { document, unsaid } = imported;
  const isUsable = document !== undefined && (unsaid.length === 0 || saysSomething(document));
  if (document !== undefined) planOf(document);
  const shown = { ...imported, document: isUsable ? document : undefined };
  await presentDocument(shown, 'policy document', (file) => `graylane policy validate ${file}`, flags, io);
}

interface PresentedDocument extends Omit<ImportedDocument, 'document'> {
  readonly document: object | undefined;
}

/** The same of a document of any kind; `tryOut` is the command that its reader runs next. */
export async function presentDocument(
  { service, document, unsaid, notes }: PresentedDocument,
  kind: string,
  tryOut: (file: string) => string,
  flags: OutputFlags,
  io: CommandIo,
): Promise<void> {
  io.json({ service, document: document ?? null, unsaid, notes });
  showLosses(unsaid, io);
  for (const note of notes) io.note(note);
  if (document === undefined) {
    throw new CommandError(1, `${service}: nothing that a ${kind} could say`, 'see what is reported above');
  }
  if (unsaid.length > 0 && flags.strict === true) {
    const message = `${service}: ${counted(unsaid.length, 'difference')} (expected: none, with --strict)`;
    throw new CommandError(1, message, 'nothing was written; see what is reported above');
  }
  if (unsaid.length > 0) io.exitCode = 3;
  const asJson = flags.output !== undefined && formatOf(flags.output) === 'json';
  const text = asJson ? `${JSON.stringify(document, null, 2)}\n` : writeYaml(document);
  if (flags.output === undefined) io.write(text);
  else await write(flags.output, text, tryOut(flags.output), io);
}

/** More than whose policy it is. */
function saysSomething({ schema: _, service: __, ...rest }: PolicyDocument): boolean {
  return Object.keys(rest).length > 0;
}

/** A line each on standard error, with file, line and path where they are known. */
export function showLosses(losses: readonly (PolicyProblem | ImportLoss)[], io: CommandIo): void {
  for (const loss of losses) {
    const file = 'file' in loss ? loss.file : undefined;
    const text = file === undefined ? loss.message : describeInFile(file, loss);
    io.note(`${io.colors.yellow('not in the document')} ${text}`);
  }
}

async function write(out: string, text: string, next: string, io: CommandIo): Promise<void> {
  try {
    await writeFile(out, text);
  } catch (error) {
    throw new CommandError(2, `--output: ${out}: ${codeOf(error)} (expected: a file that can be written)`);
  }
  io.note(`${out} written; try it: ${next}`);
}

/** Reads files and folders of them; `-` is standard input. Throws a CommandError. */
export async function readSourceTexts(paths: readonly string[], named?: RegExp): Promise<readonly SourceText[]> {
  const texts: SourceText[] = [];
  for (const file of await findFiles(paths, named)) texts.push({ file, text: await readText(file) });
  return texts;
}
