import type { Command } from 'commander';
import { defined } from '../../base/defined';
import { CommandError, defineCommand } from '../command';
import { type ConsulFlags, withConsul, withSigningKey } from '../consul/consul-connection';
import { MAX_LOAD_FACTOR, parseDuration, parsePositive } from '../flags';
import { checkSources, withFleetSources } from '../fleet/fleet';
import type { FleetSources } from '../fleet/report';
import type { WaitSettings } from '../fleet/wait';
import type { CommandIo } from '../io';
import type { ApplySettings } from './apply-files';
import type { RollbackSettings } from './roll-back';

/** What {@link withApplyFlags} adds to a command's options. */
export interface ApplyFlags extends ConsulFlags, FleetSources {
  readonly wait?: number;
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
function withWriteFlags(command: Command): Command {
  const consul = withSigningKey(
    withConsul(command, 'datacenters to write to, with commas, or all; default: the one of the agent'),
  );
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
  return { ...settings, ...defined({ wait }) };
}

function waitOf({ wait, prometheus, url, dryRun }: ApplyFlags): WaitSettings | undefined {
  if (wait === undefined) {
    if (prometheus === undefined && url === undefined) return undefined;
    throw new CommandError(2, '--wait: missing (expected: how long, with --prometheus and --url)', 'add --wait 30s');
  }
  if (dryRun === true) throw new CommandError(2, '--wait: with --dry-run (expected: one of them)', 'leave one out');
  checkSources(defined({ prometheus, url }));
  return {
    waitMs: wait,
    ...defined({ prometheus, url }),
  };
}

export function policyApplyCommand(io: CommandIo): Command {
  const command = defineCommand('apply', {
    summary: 'check policy files, show what they change, write them to Consul',
    description:
      'Checks policy files, shows what they change, and writes each policy and its history entry in one transaction, if ' +
      'Consul still has what was read. Of a folder, every *.yaml, *.yml and *.json below it. Everything is checked before ' +
      'anything is written. Refuses what reshuffles sticky callers, weights that the healthy instances cannot carry, and ' +
      'what leaves a subset in use without instances, with far fewer than now, or with those of another one.',
    examples: [
      ["graylane policy apply payments.yaml -m 'canary to 25 %'", "into the agent's own datacenter"],
      ["graylane policy apply payments.yaml -m 'canary to 25 %' --dc all", 'into every datacenter; says which took it'],
      [
        "graylane policy apply payments.yaml -m 'canary to 25 %' --wait 30s --prometheus http://prometheus:9090",
        'and ends when every process follows, or after 30 s with 1, naming who does not',
      ],
      ["graylane policy apply policies/ -m 'new labels'", 'all of a folder; says of each service what became of it'],
      ['graylane policy apply payments.yaml --dry-run', 'only shows what it would change, and what speaks against it'],
    ],
  });
  return withApplyFlags(command)
    .argument('<file...>', 'YAML or JSON, or a folder of them; - is standard input')
    .action(async (files: readonly string[], flags: ApplyFlags) => {
      const settings = applySettings(flags);
      const { applyFiles } = await import('./apply-files.js');
      await applyFiles(files, settings, io);
    });
}

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
      const { syncFolder } = await import('./sync-folder.js');
      const own = { prune: prune === true, check: check === true, markdown: markdown === true };
      await syncFolder(folder, { ...settings, ...own }, io);
    });
}

interface EditFlags extends ApplyFlags {
  readonly yes?: boolean;
}

const TO_BE_ASKED = 'asked later';

export function policyEditCommand(io: CommandIo): Command {
  const command = defineCommand('edit', {
    summary: 'edit a policy, see what changes, and write it',
    description:
      'Opens the policy that is in force as YAML in VISUAL or EDITOR (default: vi), checks it, shows what it changes, asks, ' +
      'and writes it as policy apply does. A service without a policy begins with what graylane init proposes. A text that ' +
      'is not written is kept in a file.',
    examples: [
      ['graylane policy edit payments', 'asks for the message of the history'],
      ["EDITOR='code --wait' graylane policy edit payments -m 'testers first'", 'with another editor'],
      ["EDITOR='sed -i s/x-gray/x-lane/' graylane policy edit payments --yes -m 'new label'", 'without a terminal'],
    ],
  });
  return withApplyFlags(command)
    .argument('<service>')
    .option('-y, --yes', 'do not ask; needs -m')
    .action(async (service: string, flags: EditFlags) => {
      const { yes = false, ...rest } = flags;
      // Without --yes the command asks for the message.
      const settings = applySettings(yes ? rest : { ...rest, message: rest.message ?? TO_BE_ASKED });
      const { editPolicy } = await import('./edit-policy.js');
      await editPolicy(service, { ...settings, message: rest.message ?? '' }, yes, io);
    });
}

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
      const { deletePolicy } = await import('./apply-files.js');
      await deletePolicy(service, settings, io);
    });
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
  return withSigningKey(
    withConsul(command, 'datacenters to write to, with commas, or all; default: the one of the agent'),
  )
    .argument('<service>')
    .argument(
      '[revision]',
      'a number of the log, or the first four or more digits of a revision; default: the one before',
    )
    .option('-m, --message <text>', 'why, for the history; default: back to which number')
    .option('--dry-run', 'only show what it would change')
    .option('--force', 'even if calls would fail, or a subset would have no instance, or far fewer')
    .action(
      async (service: string, revision: string | undefined, flags: ConsulFlags & Omit<RollbackSettings, 'json'>) => {
        const { rollBack } = await import('./roll-back.js');
        await rollBack(service, revision, { ...flags, json: flags.json === true }, io);
      },
    );
}
