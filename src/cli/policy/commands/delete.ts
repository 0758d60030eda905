import type { Command } from 'commander';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';
import { type ApplyFlags, applySettings, withApplyFlags } from './apply-flags';

export function policyDeleteCommand(io: CommandIo): Command {
  const command = defineCommand('delete', {
    summary: 'say that a service has no policy any more',
    description:
      'Writes a tombstone in place of the policy: clients then share the calls out over all instances. A key that is only ' +
      'deleted in Consul leaves the last policy in force in every client. Checks the effect as apply does; rollback undoes it.',
    examples: [
      ["graylane policy delete payments -m 'no canaries any more'", "in the agent's own datacenter"],
      ['graylane policy delete payments --dry-run', 'only shows what it would change'],
    ],
  });
  return withApplyFlags(command)
    .argument('<service>')
    .action(async (service: string, flags: ApplyFlags) => {
      const settings = applySettings(flags);
      const { deletePolicy } = await import('../delete-policy.js');
      await deletePolicy(service, settings, io);
    });
}
