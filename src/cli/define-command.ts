import { Command } from 'commander';

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
