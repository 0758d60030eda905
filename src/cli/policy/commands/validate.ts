import type { Command } from 'commander';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';

export interface ValidateFlags {
  readonly json?: boolean;
  readonly service?: string;
  /** True: given without an address. */
  readonly consul?: string | true;
  readonly tokenFile?: string;
  readonly dc?: string;
}

export function policyValidateCommand(io: CommandIo): Command {
  return defineCommand('validate', {
    summary: 'tell everything that is wrong with policy files',
    description:
      'Tells every problem and warning in policy files, with line and column. Ends with 1 if there are problems; ' +
      'warnings alone do not make it fail.',
    examples: [
      ['graylane policy validate payments.yaml', 'one file'],
      ['graylane policy validate policies/ --json', 'all of a folder, for a CI job'],
      ['graylane policy validate payments.yaml --consul --dc all', 'also warns of subsets that have no instances'],
    ],
  })
    .argument('<file...>', 'YAML or JSON, or a folder of them; - is standard input')
    .option('--service <name>', 'the service that the files must be for; default: the one that each names')
    .option('--consul [address]', 'look in Consul, too; default address: CONSUL_HTTP_ADDR')
    .option('--token-file <file>', 'file with the ACL token; default: CONSUL_HTTP_TOKEN_FILE, CONSUL_HTTP_TOKEN')
    .option('--dc <name>', 'with --consul: datacenters to look in, with commas, or all; default: the one of the agent')
    .action(async (files: readonly string[], flags: ValidateFlags) => {
      const { validateFiles } = await import('../validate-files.js');
      await validateFiles(files, flags, io);
    });
}
