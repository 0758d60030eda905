import { Command } from 'commander';

/**
 * 0: done. 1: a problem was found (invalid, refused, diverging, lost the race). 2: used wrongly, or could not run. 3:
 * the rollout was taken back.
 */
export type ExitCode = 0 | 1 | 2 | 3;

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

export interface CommandText {
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What it does, when the summary does not say it all. */
  readonly description?: string;
  /** Whole command lines, each with what it is for; shown under `--help`. At least one. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
}

/** A command with what all commands have: `--json`, and examples under `--help`. */
export function defineCommand(name: string, text: CommandText): Command {
  const lines = text.examples.map(([line, purpose]) => `  ${line}\n      ${purpose}`);
  return new Command(name)
    .summary(text.summary)
    .description(text.description ?? text.summary)
    .option('--json', 'print the result as one JSON document')
    .addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

/** `ENOENT`: the code of what the system says of a file or an address, else the text of the error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
