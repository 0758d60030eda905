import { Command, CommanderError } from 'commander';
import { GraylaneError } from '../base/errors';
import { SDK_VERSION } from '../base/sdk-version';
import { callCommand, loadCommand } from './call/commands';
import { CommandError, type ExitCode } from './command';
import { completionCommand } from './completion/completion';
import { doctorCommand } from './doctor/doctor';
import { explainCommand } from './explain/explain';
import { fleetCommand } from './fleet/fleet';
import { initCommand } from './init/init';
import { inspectCommand } from './inspect/inspect';
import { instancesCommand } from './instances';
import type { CommandIo } from './io';
import { overrideClearCommand, overrideListCommand, overrideSetCommand } from './override/commands';
import {
  policyDiffCommand,
  policyGetCommand,
  policyImportChainCommand,
  policyImportIstioCommand,
  policyLintChainCommand,
  policyListCommand,
  policyLogCommand,
  policyShowCommand,
  policyTestCommand,
  policyValidateCommand,
} from './policy/commands';
import {
  policyApplyCommand,
  policyDeleteCommand,
  policyEditCommand,
  policyRollbackCommand,
  policySyncCommand,
} from './policy/write-commands';
import { rolloutCommands } from './rollout/commands';
import { simulateCommand } from './simulate/simulate';
import { topCommand } from './top/top';
import { watchCommand } from './watch';
import { weightCommand } from './weight/weight';

/** Columns of the descriptions in a help. */
const NARROWEST_HELP = 12;

/** Every command of `graylane`. Each is a light file that loads what it works with only when it runs. */
export function createProgram(io: CommandIo): Command {
  const policy = group('policy', 'check policies, write them to Consul, and see who changed what')
    .addCommand(policyListCommand(io))
    .addCommand(policyValidateCommand(io))
    .addCommand(policyGetCommand(io))
    .addCommand(policyDiffCommand(io))
    .addCommand(policyApplyCommand(io))
    .addCommand(policySyncCommand(io))
    .addCommand(policyEditCommand(io))
    .addCommand(policyDeleteCommand(io))
    .addCommand(policyLogCommand(io))
    .addCommand(policyShowCommand(io))
    .addCommand(policyRollbackCommand(io))
    .addCommand(policyTestCommand(io))
    .addCommand(policyLintChainCommand(io))
    .addCommand(policyImportChainCommand(io))
    .addCommand(policyImportIstioCommand(io));
  const override = group('override', 'the emergency switch: beats every route, ends by itself')
    .addCommand(overrideSetCommand(io))
    .addCommand(overrideClearCommand(io))
    .addCommand(overrideListCommand(io));
  const rollout = group('rollout', 'raise a canary step by step, compare it with stable, take it back by itself');
  for (const command of rolloutCommands(io)) rollout.addCommand(command);
  const program = new Command('graylane')
    .description('Policies, instances and decisions of graylane, the gRPC client-side balancer over Consul.')
    .version(SDK_VERSION)
    .addCommand(initCommand(io))
    .addCommand(policy)
    .addCommand(weightCommand(io))
    .addCommand(override)
    .addCommand(rollout)
    .addCommand(explainCommand(io))
    .addCommand(simulateCommand(io))
    .addCommand(instancesCommand(io))
    .addCommand(callCommand(io))
    .addCommand(loadCommand(io))
    .addCommand(watchCommand(io))
    .addCommand(inspectCommand(io))
    .addCommand(fleetCommand(io))
    .addCommand(topCommand(io))
    .addCommand(doctorCommand(io))
    .addCommand(completionCommand(io))
    .addHelpText(
      'after',
      `
Consul is found as its own command finds it: --consul, else CONSUL_HTTP_ADDR, else 127.0.0.1:8500; --token-file,
else CONSUL_HTTP_TOKEN_FILE, else CONSUL_HTTP_TOKEN.

Ends with 0: done; 1: a problem was found; 2: used wrongly, or could not run; 3: a rollout was taken back.`,
    );
  settle(program, io);
  return program;
}

/**
 * Runs one command line (without `node` and the script) and says what the process should end with. Never rejects: what
 * goes wrong is one line on standard error, with the next step.
 */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  try {
    await createProgram(io).parseAsync([...args], { from: 'user' });
    return io.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    io.note(`graylane: ${describe(error, io)}`);
    if (error instanceof CommandError) return error.exitCode;
    return GraylaneError.is(error) && error.code === 'INVALID_POLICY' ? 1 : 2;
  }
}

function describe(error: unknown, io: CommandIo): string {
  if (error instanceof CommandError) {
    return oneLine(error.nextStep === undefined ? error.message : `${error.message}; ${error.nextStep}`);
  }
  if (GraylaneError.is(error)) return oneLine(error.message);
  const debug = (io.env['GRAYLANE_DEBUG'] ?? '') !== '';
  if (debug && error instanceof Error) return error.stack ?? error.message;
  const text = error instanceof Error ? error.message : String(error);
  return oneLine(`${text}; run it again with GRAYLANE_DEBUG=1 for where it happened`);
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, '; ');
}

function group(name: string, summary: string): Command {
  return new Command(name).description(summary);
}

/** Commander's own messages in our form, in every command: added ones inherit nothing. */
function settle(command: Command, io: CommandIo): void {
  command
    .exitOverride()
    .helpOption('-h, --help', 'show this')
    .helpCommand(false)
    // Descriptions are wrapped in what is left beside the options, however narrow.
    .configureHelp({ minWidthToWrap: NARROWEST_HELP })
    .configureOutput({
      getOutHelpWidth: () => io.columns,
      // Examples and what else stands behind the lists is wrapped as any line; in a pipe it stays as it is.
      writeOut: (text) => io.line(text.replace(/\n$/, '')),
      writeErr: (text) => io.note(text.trimEnd()),
      outputError: (text, write) => {
        const message = text
          .trim()
          .replace(/^error: /, '')
          .replace(/\s*\n\s*/g, ' ');
        write(`graylane: ${message}; run ${pathOf(command)} --help`);
      },
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  for (const nested of command.commands) settle(nested, io);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
