import type { Command } from 'commander';
import { MAX_LOAD_FACTOR } from './capacity';
import { CommandError } from './command-error';
import { type ConsulFlags, withConsul } from './consul-connection';
import { defineCommand } from './define-command';
import type { CommandIo } from './io';
import { parsePositive } from './parse-flag';

interface ApplyFlags extends ConsulFlags {
  readonly json?: boolean;
  readonly message?: string;
  readonly dryRun?: boolean;
  readonly allowReshuffle?: boolean;
  readonly force?: boolean;
  readonly maxLoadFactor: number;
  readonly ifRevision?: string;
}

export function policyApplyCommand(io: CommandIo): Command {
  const command = defineCommand('apply', {
    summary: 'check a policy file, show what it changes, write it to Consul',
    description:
      'Checks a policy file, shows what it changes, and writes policy and history entry in one transaction, if Consul ' +
      'still has what was read. Refuses what reshuffles sticky callers, and weights that the healthy instances cannot carry.',
    examples: [
      ["graylane policy apply payments.yaml -m 'canary to 25 %'", "into the agent's own datacenter"],
      ["graylane policy apply payments.yaml -m 'canary to 25 %' --dc all", 'into every datacenter; says which took it'],
      ['graylane policy apply payments.yaml --dry-run', 'only shows what it would change, and what speaks against it'],
    ],
  });
  return withConsul(command, 'datacenters to write to, with commas, or all; default: the one of the agent')
    .argument('<file>', 'YAML or JSON; - is standard input')
    .option('-m, --message <text>', 'why, for the history; required unless --dry-run')
    .option('--dry-run', 'write nothing')
    .option('--allow-reshuffle', 'write it even if sticky callers move that need not')
    .option(
      '--max-load-factor <number>',
      'times its fair share of calls that a healthy instance may get',
      parsePositive,
      MAX_LOAD_FACTOR,
    )
    .option('--force', 'write it even if the healthy instances of a subset cannot carry its share')
    .option('--if-revision <revision>', 'only if this revision is in force: what a review was made against')
    .action(async (file: string, flags: ApplyFlags) => {
      if (flags.dryRun !== true && (flags.message ?? '').trim() === '') {
        throw new CommandError(2, '--message: missing (expected: why, for the history)', "add -m 'canary to 25 %'");
      }
      const { applyFile } = await import('./apply-file.js');
      await applyFile(file, { ...flags, json: flags.json === true, message: flags.message ?? '' }, io);
    });
}
