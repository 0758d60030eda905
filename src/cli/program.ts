import { Command, CommanderError } from 'commander';
import { GraylaneError } from '../base/errors';
import { SDK_VERSION } from '../base/sdk-version';
import { call, load } from './call/commands';
import { buildCommand, type CommandDefinition, CommandError, type CommandGroup } from './command';
import * as alone from './commands';
import { teamConsole } from './console/commands';
import { drill } from './drill/commands';
import type { CommandIo, ExitCode } from './io';
import { lane } from './lane/commands';
import { lists } from './lists/commands';
import { override } from './override/commands';
import { policy } from './policy/commands';
import { rollout } from './rollout/commands';
import { waves } from './rollout/waves-commands';
import { pathOf, usageError, withoutHelpWord } from './usage-errors';

/** Every command and group, in the order of the help. */
export const COMMANDS: readonly (CommandDefinition | CommandGroup)[] = [
  ...[alone.init, policy, alone.weight, override, lane, lists, drill, rollout, waves],
  ...[alone.explain, alone.simulate, alone.instances],
  ...[call, load, alone.watch, alone.inspect, alone.fleet, alone.top, teamConsole],
  ...[alone.doctor, alone.playground, alone.completion],
];

/** Columns of the descriptions in a help. */
const NARROWEST_HELP = 12;

/** Every command of `graylane`. Each loads what it works with only when it runs. */
export function createProgram(io: CommandIo): Command {
  const program = new Command('graylane')
    .description('Policies, instances and decisions of graylane, the gRPC client-side balancer over Consul.')
    .version(SDK_VERSION)
    .addHelpText(
      'after',
      `
Consul is found as its own command finds it: --consul, else CONSUL_HTTP_ADDR, else 127.0.0.1:8500; --token-file,
else CONSUL_HTTP_TOKEN_FILE, else CONSUL_HTTP_TOKEN.

Ends with 0: done; 1: a problem was found; 2: used wrongly, or could not run; 3: a rollout was taken back.`,
    );
  for (const each of COMMANDS) program.addCommand(buildCommand(each, io));
  settle(program, io);
  return program;
}

/**
 * Runs one command line (without `node` and the script) and says what the process should end with. Never rejects: what
 * goes wrong is one line on standard error, with the next step.
 */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  try {
    const program = createProgram(io);
    await program.parseAsync([...withoutHelpWord(args, program)], { from: 'user' });
    return io.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    io.note(`graylane: ${describe(error, io)}`);
    if (error instanceof CommandError) return error.exitCode;
    return GraylaneError.is(error) && error.code === 'INVALID_POLICY' ? 1 : 2;
  }
}

function describe(error: unknown, { env }: CommandIo): string {
  const isOwn = error instanceof CommandError || GraylaneError.is(error);
  if (!isOwn && error instanceof Error && (env['GRAYLANE_DEBUG'] ?? '') !== '') return error.stack ?? error.message;
  const text = error instanceof Error ? error.message : String(error);
  const next = error instanceof CommandError ? error.nextStep : undefined;
  const parts = [text, isOwn ? next : 'run it again with GRAYLANE_DEBUG=1 for where it happened'];
  const line = parts.filter((part) => part !== undefined).join('; ');
  return line.replace(/\s*\n\s*/g, '; ');
}

/** Commander's own messages in our form, in every command: added ones inherit nothing. */
function settle(command: Command, io: CommandIo): void {
  command
    .exitOverride()
    .helpOption('-h, --help', 'show this')
    .helpCommand(false)
    // Wraps descriptions in the columns that the options leave, even if these are few.
    .configureHelp({ minWidthToWrap: NARROWEST_HELP })
    .configureOutput({
      getOutHelpWidth: () => io.columns,
      // Wraps the text after the lists, such as examples, on a terminal. A pipe gets it unchanged.
      writeOut: (text) => io.line(text.replace(/\n$/, '')),
      writeErr: (text) => io.note(text.trimEnd()),
      outputError: (text, write) => {
        const message = text
          .trim()
          .replace(/^error: /, '')
          .replace(/\s*\n\s*/g, ' ');
        write(`graylane: ${usageError(command, message)}; run ${pathOf(command)} --help`);
      },
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  for (const nested of command.commands) settle(nested, io);
}
