import type { Command } from 'commander';
import { withConsul } from '../consul/consul-connection';
import { defineCommand } from '../define-command';
import { policySourceOption } from '../input/policy-source';
import type { CommandIo } from '../io';
import type { WatchFlags } from './watch-changes';

export function watchCommand(io: CommandIo): Command {
  const command = defineCommand('watch', {
    summary: 'show policy revisions and instance changes as they arrive',
    description:
      'Shows what a client of this library hears of a service, a line for each change, until interrupted. With --json, an ' +
      'object a line.',
    examples: [
      ['graylane watch payments', 'while a policy is applied or a deployment runs'],
      ['graylane watch payments --dc all --json', 'in every datacenter, for a script'],
    ],
  });
  return withConsul(command, 'datacenters, with commas, or all; default: the one of the agent')
    .argument('<service>', 'name in Consul')
    .addOption(policySourceOption())
    .action(async (service: string, flags: WatchFlags) => {
      const { watchChanges } = await import('./watch-changes.js');
      await watchChanges(service, flags, io);
    });
}
