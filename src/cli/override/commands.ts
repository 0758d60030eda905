import { type Command, Option } from 'commander';
import { defined } from '../../base/defined';
import { CommandError, defineCommand } from '../command';
import { type ConsulFlags, withConsul, withSigningKey } from '../consul/consul-connection';
import { parseDuration } from '../flags';
import type { CommandIo } from '../io';
import type { ChangeSettings } from './overrides';

interface SetFlags extends ChangeSettings {
  readonly to?: string;
  readonly datacenter?: string;
  readonly ttl: number;
}

const WHERE = 'datacenters to write to, with commas, or all; default: the one of the agent';

/** The emergency switch: beats every route of a policy, and ends by itself. */
export function overrideSetCommand(io: CommandIo): Command {
  const command = defineCommand('set', {
    summary: 'send all calls of services to one subset or datacenter, for a while',
    description:
      'Sets the override of policies: it beats every route, and ends by itself. Each service is a transaction of its own ' +
      'with an entry in its history; a lost race is tried again. Refuses a subset or datacenter where nobody, or far fewer, ' +
      'would serve.',
    examples: [
      ["graylane override set --to stable payments --ttl 30m -m 'incident 42'", 'no more canary for half an hour'],
      ["graylane override set --datacenter dc1 --all --ttl 2h -m 'dc2 is down' --dc all", 'every service out of dc2'],
    ],
  });
  return withTargets(withSigningKey(withConsul(command, WHERE)))
    .option('--to <subset>', 'the subset that serves')
    .option('--datacenter <name>', 'the only datacenter that serves')
    .addOption(
      new Option('--ttl <duration>', 'how long: 90s, 30m, 2h, 1d').argParser(parseDuration).makeOptionMandatory(),
    )
    .option('--force', 'even if calls would fail there, or far fewer instances would serve them')
    .requiredOption('-m, --message <text>', 'why: for the history, and for whoever reads explain()')
    .action(async (services: readonly string[], flags: SetFlags) => {
      if (flags.to === undefined && flags.datacenter === undefined) {
        throw new CommandError(2, '--to, --datacenter: missing (expected: one of them, or both)', 'add --to stable');
      }
      checkTargets(services, flags);
      const { changeOverrides } = await import('./overrides.js');
      const { to, datacenter, ttl: ttlMs, message: reason } = flags;
      const set = {
        ttlMs,
        reason,
        ...defined({ to, datacenter }),
      };
      await changeOverrides(services, set, { ...flags, message: reason }, io);
    });
}

export function overrideClearCommand(io: CommandIo): Command {
  const command = defineCommand('clear', {
    summary: 'end overrides before their time',
    examples: [
      ['graylane override clear payments', 'the routes decide again'],
      ["graylane override clear --all --dc all -m 'incident 42 is over'", 'everywhere'],
    ],
  });
  return withTargets(withSigningKey(withConsul(command, WHERE)))
    .option('-m, --message <text>', 'why, for the history', 'override cleared')
    .action(async (services: readonly string[], flags: ChangeSettings) => {
      checkTargets(services, flags);
      const { changeOverrides } = await import('./overrides.js');
      await changeOverrides(services, undefined, flags, io);
    });
}

export function overrideListCommand(io: CommandIo): Command {
  const command = defineCommand('list', {
    summary: 'list the overrides that are in force, and those that have ended',
    examples: [
      ['graylane override list', "in the agent's own datacenter"],
      ['graylane override list --dc all --json', 'everywhere, for a dashboard'],
    ],
  });
  return withConsul(command, 'datacenters to ask, with commas, or all; default: the one of the agent').action(
    async (flags: ConsulFlags) => {
      const { listOverrides } = await import('./overrides.js');
      await listOverrides(flags, io);
    },
  );
}

function withTargets(command: Command): Command {
  return command
    .argument('[service...]')
    .option('--all', 'every service that has a policy')
    .option('--dry-run', 'write nothing');
}

function checkTargets(services: readonly string[], { all }: { readonly all?: boolean }): void {
  if (services.length === 0 && all !== true) {
    throw new CommandError(2, 'services: none (expected: at least one, or --all)', 'name the services');
  }
  if (services.length > 0 && all === true) {
    throw new CommandError(
      2,
      `--all: given beside ${services.join(', ')} (expected: one or the other)`,
      'leave one out',
    );
  }
}
