import { Argument, Command, Option } from 'commander';
import type { CommandIo, ExitCode } from './io';

/**
 * Ends a command with one line on standard error: what is wrong, and what to do next. Thrown by commands, caught by
 * `run()`. Its texts must hold no secret.
 */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
  readonly exitCode: ExitCode;
  /** A whole instruction, without a full stop: `run graylane policy diff payments.yaml`. */
  readonly nextStep: string | undefined;

  constructor(exitCode: ExitCode, message: string, nextStep?: string) {
    super(message);
    this.exitCode = exitCode;
    this.nextStep = nextStep;
  }
}

/** One command: its help, what it takes, and the function that does the work. */
export interface CommandDefinition {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What it does, when the summary does not say it all. */
  readonly description?: string;
  /** Whole command lines, each with its purpose; shown under `--help`. At least one. */
  readonly examples: Readonly<Record<string, string>>;
  readonly args?: readonly Argument[];
  /** Besides `--json`, which every command has. */
  readonly options?: readonly Option[];
  /**
   * Loads the function when the command runs, so that `--help` stays quick. The function gets the arguments, the
   * options, the environment and the command.
   */
  readonly run: () => Promise<(...given: never[]) => Promise<void>>;
}

/** Commands under one name, such as `graylane policy`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly CommandDefinition[];
}

export function buildCommand(definition: CommandDefinition | CommandGroup, io: CommandIo): Command {
  const { name, summary } = definition;
  const command = new Command(name).description(summary);
  if ('commands' in definition) {
    for (const nested of definition.commands) command.addCommand(buildCommand(nested, io));
    return command;
  }
  const { description = summary, examples, args = [], options = [], run } = definition;
  const lines = Object.entries(examples).map(([line, purpose]) => `  ${line}\n      ${purpose}`);
  command.summary(summary).description(description).option('--json', 'print the result as one JSON document');
  for (const each of args) command.addArgument(each);
  for (const each of options) command.addOption(each);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`).action(async (...given: unknown[]) => {
    io.asJson = command.opts()['json'] === true;
    const work = await run();
    await work(...([...given.slice(0, -1), io, command] as never[]));
  });
}

export function option<T>(flags: string, text: string, parse?: (given: string, before: T) => T, initial?: T): Option {
  const made = new Option(flags, text).default(initial);
  return parse === undefined ? made : made.argParser(parse);
}

export function argument<T>(name: string, text?: string, parse?: (given: string, before: T) => T): Argument {
  const made = new Argument(name, text);
  return parse === undefined ? made : made.argParser(parse);
}

/** Undefined where a CommandError says that there is no answer. */
export async function orNone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

/** `ENOENT`: the code of what the system says of a file or an address, else the text of the error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
