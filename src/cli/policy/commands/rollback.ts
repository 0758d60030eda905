import type { Command } from 'commander';
import { type ConsulFlags, withConsul } from '../../consul/consul-connection';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';

interface RollbackFlags extends ConsulFlags {
  readonly json?: boolean;
  readonly message?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

export function policyRollbackCommand(io: CommandIo): Command {
  const command = defineCommand('rollback', {
    summary: 'put an earlier revision in force again',
    description:
      'Writes an earlier revision as a new one, so that the history goes on. Sticky callers that move and subsets too small ' +
      'for their share are told here, and it is done. Refuses what would leave calls without an instance, such as a ' +
      'revision whose canary is gone. Without a number: to the one before the one in force, and when a rollback put that ' +
      'in force, to the one before; so it never goes back to what a rollback has left.',
    examples: [
      ["graylane policy rollback payments -m 'incident 42'", 'to the one before'],
      [
        'graylane policy rollback payments 6',
        'to number 6 of the log; graylane policy rollback 6 payments is the same',
      ],
      ['graylane policy rollback payments 3fa9c2 --dc all', 'to a revision, wherever it is in the history'],
      ['graylane policy rollback payments --dry-run', 'which number that is, and what it would change'],
    ],
  });
  return withConsul(command, 'datacenters to write to, with commas, or all; default: the one of the agent')
    .argument('<service>')
    .argument(
      '[revision]',
      'a number of the log, or the first four or more digits of a revision; default: the one before',
    )
    .option('-m, --message <text>', 'why, for the history; default: back to which number')
    .option('--dry-run', 'only show what it would change')
    .option('--force', 'even if calls would fail, or a subset would have no instance, or far fewer')
    .action(async (service: string, revision: string | undefined, flags: RollbackFlags) => {
      const { rollBack } = await import('../roll-back.js');
      await rollBack(service, revision, { ...flags, json: flags.json === true }, io);
    });
}
