import type { Command } from 'commander';
import { CommandError } from '../../command-error';
import { MAX_LOAD_FACTOR } from '../../consul/capacity';
import { type ConsulFlags, withConsul } from '../../consul/consul-connection';
import { checkSources, withFleetSources } from '../../fleet/fleet';
import type { FleetSources } from '../../fleet/report';
import type { WaitSettings } from '../../fleet/wait';
import { parseDuration, parsePositive } from '../../parse-flag';
import type { ApplySettings } from '../apply-files';

/** What {@link withApplyFlags} adds to a command's options. */
export interface ApplyFlags extends ConsulFlags, FleetSources {
  readonly wait?: number;
  readonly json?: boolean;
  readonly message?: string;
  readonly dryRun?: boolean;
  readonly allowReshuffle?: boolean;
  readonly force?: boolean;
  readonly maxLoadFactor: number;
  readonly ifRevision?: string;
}

/** For every command that writes one policy: the same checks, and the same options that overrule them. */
export function withApplyFlags(command: Command): Command {
  return withWriteFlags(command).option(
    '--if-revision <revision>',
    'only if this revision is in force: what a review was made against',
  );
}

/** The same for one that writes as many as there are. */
export function withWriteFlags(command: Command): Command {
  const consul = withConsul(command, 'datacenters to write to, with commas, or all; default: the one of the agent');
  return withFleetSources(
    consul.option('--wait <duration>', 'until all follow, such as 30s; needs --prometheus or --url', parseDuration),
  )
    .option('-m, --message <text>', 'why, for the history; required unless --dry-run')
    .option('--dry-run', 'write nothing')
    .option('--allow-reshuffle', 'write it even if sticky callers move that need not')
    .option(
      '--max-load-factor <number>',
      'times its fair share of calls that a healthy instance may get',
      parsePositive,
      MAX_LOAD_FACTOR,
    )
    .option('--force', 'write it even if calls would fail, or the instances of a subset cannot carry its share');
}

/** Everything that is wrong with the options is refused before anything is read or written. Throws a CommandError. */
export function applySettings(flags: ApplyFlags): ApplySettings {
  if (flags.dryRun !== true && (flags.message ?? '').trim() === '') {
    throw new CommandError(2, '--message: missing (expected: why, for the history)', "add -m 'canary to 25 %'");
  }
  const { wait: _, ...rest } = flags;
  const wait = waitOf(flags);
  const settings = { ...rest, json: flags.json === true, message: flags.message ?? '' };
  return { ...settings, ...(wait === undefined ? {} : { wait }) };
}

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
