import { documentText } from '../../ops/store/policy-store';
import { CommandError } from '../command-error';
import { describeInFile, type PolicyFile } from '../input/policy-file';
import { readPolicyFiles } from '../input/policy-files';
import type { CommandIo } from '../io';

/** A valid policy, as it is to be written. */
export interface SoundPolicy {
  readonly service: string;
  readonly text: string;
  /** What to do when somebody was faster. */
  readonly again: string;
}

/**
 * The policies of files and folders, one for each service; warnings are told. When one of them is not valid, all that is wrong
 * is told with file, line and path, and a CommandError ends the command with 1.
 */
export async function readSound(
  paths: readonly string[],
  io: CommandIo,
  json: boolean,
): Promise<readonly SoundPolicy[]> {
  const read = await readPolicyFiles(paths);
  const bad = read.filter(({ document }) => document === undefined);
  if (bad.length > 0) throw invalid(bad, read.length, paths, io, json);
  return read.flatMap(({ file, document, warnings }) => {
    if (document === undefined) return [];
    for (const warning of warnings) io.note(`${io.colors.yellow('warning')} ${describeInFile(file, warning)}`);
    const again = `run graylane policy diff ${file}, then apply again`;
    return [{ service: document.service, text: documentText(document), again }];
  });
}

function invalid(
  bad: readonly PolicyFile[],
  of: number,
  paths: readonly string[],
  io: CommandIo,
  json: boolean,
): CommandError {
  if (json) io.json(bad.map(({ file, service, problems }) => ({ file, service, outcome: 'invalid', problems })));
  else {
    for (const { file, problems } of bad)
      for (const problem of problems) io.note(`${io.colors.red('error')} ${describeInFile(file, problem)}`);
  }
  const sum = bad.reduce((total, { problems }) => total + problems.length, 0);
  const count = sum === 1 ? '1 problem' : `${sum} problems`;
  const [only] = bad;
  const what = of === 1 && only !== undefined ? only.file : `${bad.length} of ${of} policies`;
  return new CommandError(
    1,
    `${what}: refused, ${count}; nothing was written`,
    `mend ${bad.length === 1 ? 'it' : 'them'} and run graylane policy validate ${paths.join(' ')}`,
  );
}
