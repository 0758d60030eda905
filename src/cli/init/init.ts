import type { Command } from 'commander';
import { defineCommand } from '../command';
import { withConsul } from '../consul/consul-connection';
import type { CommandIo } from '../io';
import type { InitFlags } from './first-policy';

export function initCommand(io: CommandIo): Command {
  const command = defineCommand('init', {
    summary: 'write a first policy from what Consul lists',
    description:
      'Looks for the tags or the meta that part the instances of a service (stable and canary, blue and green, versions), ' +
      'and prints a policy with these subsets. Each begins with the share of calls that its instances get without a policy. ' +
      'Ends with 1 when Consul lists no instance.',
    examples: [
      ['graylane init payments -o payments.yaml', 'to be reviewed, and applied'],
      [
        'graylane init payments --dc all --label x-lane',
        'by the instances of every datacenter, with a label of your own',
      ],
    ],
  });
  return withConsul(command, 'datacenters to look in, with commas, or all; default: the one of the agent')
    .argument('<service>', 'name in Consul')
    .option('-o, --output <file>', 'where to write it, a new file; default: standard output')
    .option('--label <key>', 'the label by which testers choose a subset', 'x-gray')
    .option('--stick-by <key>', 'the label that keeps a caller at its subset', 'x-user-id')
    .action(async (service: string, flags: InitFlags) => {
      const { initPolicy } = await import('./first-policy.js');
      await initPolicy(service, flags, io);
    });
}
