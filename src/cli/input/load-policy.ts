import { compilePolicy } from '../../policy/compile';
import type { PolicyDocument } from '../../policy/document';
import type { Plan } from '../../policy/plan';
import { CommandError } from '../command-error';
import type { CommandIo } from '../io';
import { describeInFile, readPolicyFile } from './policy-file';

export interface LoadedPolicy {
  readonly document: PolicyDocument;
  readonly plan: Plan;
}

/** Reads a policy that is to be used. One with problems: all are shown, then a CommandError ends the command with 1. */
export async function loadPolicy(file: string, io: CommandIo, expectedService?: string): Promise<LoadedPolicy> {
  const { document, problems } = await readPolicyFile(file, expectedService);
  if (document === undefined) {
    for (const problem of problems) io.note(`${io.colors.red('error')} ${describeInFile(file, problem)}`);
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    throw new CommandError(1, `${file}: ${count}`, `correct it and run graylane policy validate ${file}`);
  }
  const { service } = document;
  return { document, plan: compilePolicy({ content: document, format: 'object' }, { service, origin: 'file' }) };
}
