import type { Command } from 'commander';
import { withConsul } from '../consul/consul-connection';
import { defineCommand } from '../define-command';
import { policySourceOption } from '../input/policy-source';
import type { CommandIo } from '../io';
import type { InstancesFlags } from './list-instances';

export function instancesCommand(io: CommandIo): Command {
  const command = defineCommand('instances', {
    summary: 'list the instances of a service by datacenter and subset',
    description:
      "Lists the instances of a service as a client sees them. Age is the time since the instance's meta `started-at` (RFC 3339); " +
      'without it, with --watch, since it was first seen here. Ends with 1 when no instance is usable.',
    examples: [
      ['graylane instances payments', 'in the datacenter of the agent'],
      ['graylane instances payments --dc dc1,dc2 --watch', 'in two, live, until interrupted'],
      ['graylane instances payments --policy chain', "by the subsets of Consul's config entries"],
    ],
  });
  return withConsul(command, 'datacenters, with commas, or all; default: the one of the agent')
    .argument('<service>', 'name in Consul')
    .option('--watch', 'go on, and show each change')
    .addOption(policySourceOption())
    .action(async (service: string, flags: InstancesFlags) => {
      const { listInstances } = await import('./list-instances.js');
      await listInstances(service, flags, io);
    });
}
