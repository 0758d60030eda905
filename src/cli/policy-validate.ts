import type { Command } from 'commander';
import { defineCommand } from './define-command';
import type { CommandIo } from './io';

interface ValidateFlags {
  readonly json?: boolean;
  readonly service?: string;
}

export function policyValidateCommand(io: CommandIo): Command {
  return defineCommand('validate', {
    summary: 'tell everything that is wrong with policy files',
    description:
      'Tells every problem and warning in policy files, with line and column. Ends with 1 if there are problems.',
    examples: [
      ['graylane policy validate payments.yaml', 'one file'],
      ['graylane policy validate policies/*.yaml --json', 'all of a repository, for a CI job'],
    ],
  })
    .argument('<file...>', 'YAML or JSON; - is standard input')
    .option('--service <name>', 'the service that the files must be for; default: the one that each names')
    .action(async (files: readonly string[], flags: ValidateFlags) => {
      const { describeInFile, readPolicyFile } = await import('./policy-file.js');
      const judged = await Promise.all(files.map((file) => readPolicyFile(file, flags.service)));
      if (judged.some(({ problems }) => problems.length > 0)) io.exitCode = 1;
      if (flags.json === true) {
        io.json(judged.map(({ document, ...rest }) => ({ ...rest, valid: document !== undefined })));
        return;
      }
      for (const { file, problems, warnings } of judged) {
        for (const problem of problems) io.line(`${io.colors.red('error')} ${describeInFile(file, problem)}`);
        for (const warning of warnings) io.line(`${io.colors.yellow('warning')} ${describeInFile(file, warning)}`);
        if (problems.length === 0) io.line(`${io.colors.green('ok')} ${file}`);
      }
    });
}
