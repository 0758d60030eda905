import type { Command } from 'commander';
import { CommandError } from '../../command-error';
import { defineCommand } from '../../define-command';
import type { CommandIo } from '../../io';
import { type ApplyFlags, applySettings, withWriteFlags } from './apply-flags';

interface SyncFlags extends ApplyFlags {
  readonly prune?: boolean;
  readonly check?: boolean;
  readonly markdown?: boolean;
}

export function policySyncCommand(io: CommandIo): Command {
  const command = defineCommand('sync', {
    summary: 'make the policies in Consul what a folder says',
    description:
      'Writes every policy below a folder that differs from the one in Consul, as policy apply does; what is alike is left ' +
      'alone. Policies of services that the folder does not have are told, and deleted with --prune. Leaves services alone ' +
      'whose rollout is under way.',
    examples: [
      ['graylane policy sync policies/ --check --dc all', 'in a CI job: ends with 1 when something differs'],
      ['graylane policy sync policies/ --check --markdown', 'for a merge request'],
      ['graylane policy sync policies/ -m "$(git log -1 --format=\'%h %s\')"', 'after the merge'],
      ["graylane policy sync policies/ --prune -m 'as in git'", 'also deletes what is not in the folder'],
    ],
  });
  return withWriteFlags(command)
    .argument('<folder>', 'every *.yaml, *.yml and *.json below it')
    .option('--prune', 'delete the policies of services that the folder does not have')
    .option('--check', 'write nothing; ends with 1 when something differs')
    .option('--markdown', 'with --check: print Markdown, for the comment of a merge request')
    .action(async (folder: string, { prune, check, markdown, ...flags }: SyncFlags) => {
      if (markdown === true && check !== true) {
        throw new CommandError(2, '--markdown: without --check (expected: both)', 'add --check');
      }
      const asked = check === true ? { ...flags, dryRun: true } : flags;
      const settings = applySettings(asked);
      const { syncFolder } = await import('../sync-folder.js');
      const own = { prune: prune === true, check: check === true, markdown: markdown === true };
      await syncFolder(folder, { ...settings, ...own }, io);
    });
}
