import type { Command } from 'commander';
import { type ConsulFlags, withConsul } from '../../consul/consul-connection';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';

export interface ImportChainFlags extends ConsulFlags {
  readonly json?: boolean;
  readonly output?: string;
}

export function policyImportChainCommand(io: CommandIo): Command {
  const command = defineCommand('import-chain', {
    summary: "write Consul's config entries of a service as a policy document",
    description:
      "Reads a service's discovery chain and prints the policy document that decides alike. What a document cannot say is " +
      'told on standard error by its path; then it ends with 1.',
    examples: [
      ['graylane policy import-chain payments -o payments.yaml', 'to be reviewed, and applied'],
      ['graylane simulate payments --policy chain --against payments.yaml', 'whether anybody would move'],
    ],
  });
  return withConsul(command)
    .argument('<service>', 'name in Consul')
    .option('-o, --output <file>', 'where to write it, as JSON if the name ends in .json; default: standard output')
    .action(async (service: string, flags: ImportChainFlags) => {
      const { importChain } = await import('../import-chain.js');
      await importChain(service, flags, io);
    });
}
