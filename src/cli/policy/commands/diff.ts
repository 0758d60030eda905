import type { Command } from 'commander';
import { type ConsulFlags, withConsul } from '../../consul/consul-connection';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';

interface DiffFlags extends ConsulFlags {
  readonly json?: boolean;
  readonly markdown?: boolean;
}

export function policyDiffCommand(io: CommandIo): Command {
  const command = defineCommand('diff', {
    summary: 'show what policy files would change, and how many sticky callers move',
    description:
      'Shows what policy files would change against Consul: in meaning, in sticky callers that move, and in text. Ends ' +
      'with 1 when something differs.',
    examples: [
      ['graylane policy diff payments.yaml', 'before applying it'],
      ['graylane policy diff payments.yaml --dc all', 'against every datacenter, to find drift'],
      ['graylane policy diff policies/', 'all of a folder'],
      ['graylane policy diff payments.yaml --markdown', 'for a merge request'],
    ],
  });
  return withConsul(command, 'datacenters to compare with, with commas, or all; default: the one of the agent')
    .argument('<file...>', 'YAML or JSON, or a folder of them; - is standard input')
    .option('--markdown', 'print Markdown, for the comment of a merge request')
    .action(async (files: readonly string[], flags: DiffFlags) => {
      const { diffFiles } = await import('../diff-files.js');
      await diffFiles(files, { ...flags, json: flags.json === true }, io);
    });
}
