import type { Command } from 'commander';
import { CommandError } from '../../command-error';
import { MAX_LOAD_FACTOR } from '../../consul/capacity';
import { type ConsulFlags, withConsul } from '../../consul/consul-connection';
import { defineCommand } from '../../define-command';
import { checkSources, withFleetSources } from '../../fleet/fleet';
import type { FleetSources } from '../../fleet/report';
import type { WaitSettings } from '../../fleet/wait';
import type { CommandIo } from '../../io';
import { parseDuration, parsePositive } from '../../parse-flag';

interface ApplyFlags extends ConsulFlags, FleetSources {
  readonly wait?: number;
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
      [
        "graylane policy apply payments.yaml -m 'canary to 25 %' --wait 30s --prometheus http://prometheus:9090",
        'and ends when every process follows, or after 30 s with 1, naming who does not',
      ],
      ['graylane policy apply payments.yaml --dry-run', 'only shows what it would change, and what speaks against it'],
    ],
  });
  const consul = withConsul(command, 'datacenters to write to, with commas, or all; default: the one of the agent');
  return withFleetSources(
    consul.option('--wait <duration>', 'until all follow, such as 30s; needs --prometheus or --url', parseDuration),
  )
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
      const { wait: _, ...rest } = flags;
      const wait = waitOf(flags);
      const { applyFile } = await import('../apply-file.js');
      const settings = { ...rest, json: flags.json === true, message: flags.message ?? '' };
      await applyFile(file, { ...settings, ...(wait === undefined ? {} : { wait }) }, io);
    });
}

/** Everything about waiting is refused before anything is written. */
function waitOf({ wait, prometheus, url, dryRun }: ApplyFlags): WaitSettings | undefined {
  if (wait === undefined) {
    if (prometheus === undefined && url === undefined) return undefined;
    throw new CommandError(2, '--wait: missing (expected: how long, with --prometheus and --url)', 'add --wait 30s');
  }
  if (dryRun === true) throw new CommandError(2, '--wait: with --dry-run (expected: one of them)', 'leave one out');
  checkSources({ ...(prometheus === undefined ? {} : { prometheus }), ...(url === undefined ? {} : { url }) });
  return {
    waitMs: wait,
    ...(prometheus === undefined ? {} : { prometheus }),
    ...(url === undefined ? {} : { url }),
  };
}
