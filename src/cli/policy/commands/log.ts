import type { Command } from 'commander';
import { type ConsulFlags, withConsul } from '../../consul/consul-connection';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';
import { parseWhole } from '../../parse-flag';

interface LogFlags extends ConsulFlags {
  readonly json?: boolean;
  readonly limit?: number;
  readonly verify?: boolean;
  readonly expect?: string;
}

export function policyLogCommand(io: CommandIo): Command {
  const command = defineCommand('log', {
    summary: 'list who changed a policy, when and why',
    description:
      'Lists the history of a policy, newest first. With --verify, checks that nobody changed it afterwards, and ends with ' +
      '1 if somebody did.',
    examples: [
      ['graylane policy log payments', 'the history'],
      ['graylane policy log payments --verify', 'whether it can be believed'],
      ['graylane policy log payments --verify --expect 9f86d081...', 'whether a digest noted before is still in it'],
    ],
  });
  return withConsul(command, 'datacenters to ask, with commas, or all; default: the one of the agent')
    .argument('<service>')
    .option('-n, --limit <number>', 'the newest ones only', parseWhole)
    .option('--verify', 'check digests, numbers and indexes of the whole history')
    .option('--expect <digest>', 'with --verify: the digest of an entry that must be there')
    .action(async (service: string, flags: LogFlags) => {
      const { showLog } = await import('../history.js');
      await showLog(service, flags, io);
    });
}

export function policyShowCommand(io: CommandIo): Command {
  const command = defineCommand('show', {
    summary: 'print an earlier revision of a policy',
    examples: [
      ['graylane policy show 7 payments', 'number 7 of the log'],
      [
        'graylane policy show 3fa9c2 payments --json',
        'by the revision that spans and inspect() name; with author and digest',
      ],
    ],
  });
  return withConsul(command)
    .argument('<revision>', 'a number of the log, or the first four or more digits of a revision')
    .argument('<service>')
    .option('--yaml', 'print YAML instead of JSON')
    .action(async (revision: string, service: string, flags: LogFlags & { readonly yaml?: boolean }) => {
      const { showRevision } = await import('../history.js');
      await showRevision(revision, service, flags, io);
    });
}
