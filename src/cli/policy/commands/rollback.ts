import type { Command } from 'commander';
import { type ConsulFlags, withConsul } from '../../consul/consul-connection';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';

interface RollbackFlags extends ConsulFlags {
  readonly json?: boolean;
  readonly message?: string;
  readonly dryRun?: boolean;
}

export function policyRollbackCommand(io: CommandIo): Command {
  const command = defineCommand('rollback', {
    summary: 'put an earlier revision in force again',
    description:
      'Writes an earlier revision as a new one, so that the history goes on. What apply would refuse (sticky callers that ' +
      'move, subsets too small) is told here, and done.',
    examples: [
      ['graylane policy rollback 6 payments', 'to number 6 of the log'],
      [
        "graylane policy rollback 3fa9c2 payments --dc all -m 'incident 42'",
        'to a revision, wherever it is in the history',
      ],
    ],
  });
  return withConsul(command, 'datacenters to write to, with commas, or all; default: the one of the agent')
    .argument('<revision>', 'a number of the log, or the first four or more digits of a revision')
    .argument('<service>')
    .option('-m, --message <text>', 'why, for the history; default: back to which number')
    .option('--dry-run', 'only show what it would change')
    .action(async (revision: string, service: string, flags: RollbackFlags) => {
      const { rollBack } = await import('../roll-back.js');
      await rollBack(revision, service, { ...flags, json: flags.json === true }, io);
    });
}
