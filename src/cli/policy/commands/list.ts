import type { Command } from 'commander';
import { type ConsulFlags, withConsul } from '../../consul/consul-connection';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';

export function policyListCommand(io: CommandIo): Command {
  const command = defineCommand('list', {
    summary: 'list the services that have a policy, and who changed each last',
    examples: [
      ['graylane policy list', "in the agent's own datacenter"],
      ['graylane policy list --dc all --json', 'in every datacenter, for a script'],
    ],
  });
  return withConsul(command, 'datacenters to ask, with commas, or all; default: the one of the agent').action(
    async (flags: ConsulFlags & { readonly json?: boolean }) => {
      const { listPolicies } = await import('../list-policies.js');
      await listPolicies(flags, io);
    },
  );
}
