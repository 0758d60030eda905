import type { Command } from 'commander';
import { type ConsulFlags, withConsul } from '../../consul/consul-connection';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';

interface GetFlags extends ConsulFlags {
  readonly json?: boolean;
  readonly yaml?: boolean;
}

export function policyGetCommand(io: CommandIo): Command {
  const command = defineCommand('get', {
    summary: 'print the policy that is in force',
    description:
      'Prints the policy of a service as it stands in Consul. With several datacenters, which revision each has; ends ' +
      'with 1 when they diverge, or when there is no policy.',
    examples: [
      ['graylane policy get payments --yaml > payments.yaml', 'to edit it'],
      ['graylane policy get payments --dc all', 'whether all datacenters have the same'],
    ],
  });
  return withConsul(command, 'datacenters to ask, with commas, or all; default: the one of the agent')
    .argument('<service>')
    .option('--yaml', 'print YAML instead of JSON')
    .action(async (service: string, flags: GetFlags) => {
      const { getPolicy } = await import('../get-policy.js');
      await getPolicy(service, flags, io);
    });
}
