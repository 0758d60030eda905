import { writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { compilePolicy } from '../../policy/compile';
import type { PolicyDocument } from '../../policy/document';
import type { PolicyProblem } from '../../policy/plan';
import { CommandError } from '../command-error';
import type { CommandIo } from '../io';

/** A document made from somebody else's rules. */
export interface ImportedDocument {
  readonly service: string;
  readonly document: PolicyDocument | undefined;
  /** What the document does not say, by the paths of what it was made from. */
  readonly unsaid: readonly PolicyProblem[];
  /** A sentence each. */
  readonly notes: readonly string[];
}

/**
 * Shows the document, or writes it to `out` (JSON where the name ends in `.json`, else YAML); what it leaves out goes to
 * standard error, and then the command ends with 1. Nothing is written that this library would refuse.
 */
export async function presentImport(
  imported: ImportedDocument,
  { json, out }: { readonly json?: boolean; readonly out?: string },
  io: CommandIo,
): Promise<void> {
  const { service, document, unsaid, notes } = imported;
  if (document !== undefined) compilePolicy({ content: document, format: 'object' }, { service, origin: 'inline' });
  if (unsaid.length > 0 || document === undefined) io.exitCode = 1;
  if (json === true) io.json({ service, document: document ?? null, unsaid, notes });
  for (const { message } of unsaid) io.note(`${io.colors.yellow('not in the document')} ${message}`);
  for (const note of notes) io.note(note);
  if (document === undefined) {
    throw new CommandError(1, `${service}: nothing that a policy document could say`, 'see what is reported above');
  }
  const asJson = out?.toLowerCase().endsWith('.json') === true;
  const text = asJson
    ? `${JSON.stringify(document, null, 2)}\n`
    : stringify(document, { aliasDuplicateObjects: false, lineWidth: 120 });
  if (out !== undefined) await write(out, text, io);
  else if (json !== true) io.write(text);
}

async function write(out: string, text: string, io: CommandIo): Promise<void> {
  try {
    await writeFile(out, text);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'cannot be written';
    throw new CommandError(2, `--output: ${out}: ${code} (expected: a file that can be written)`);
  }
  io.note(`${out} written; try it: graylane policy validate ${out}`);
}
