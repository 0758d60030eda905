import { Argument, type Command } from 'commander';
import { defineCommand } from '../command';
import type { CommandIo } from '../io';
import type { Shell } from './scripts';

const SHELLS: readonly Shell[] = ['bash', 'zsh', 'fish'];

interface CompletionFlags {
  readonly json?: boolean;
  readonly services?: boolean;
}

export function completionCommand(io: CommandIo): Command {
  const command = defineCommand('completion', {
    summary: 'print what makes a shell complete commands, options and services',
    description:
      'Prints a script that makes a shell complete commands, options and their values, and names of services, for which it asks ' +
      'Consul by what the line says; when Consul does not answer within a second, none are offered.',
    examples: [
      ['graylane completion fish > ~/.config/fish/completions/graylane.fish', 'once'],
      ['source <(graylane completion bash)', 'in ~/.bashrc'],
      ['source <(graylane completion zsh)', 'in ~/.zshrc, after compinit'],
    ],
  });
  return command
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .argument('[words...]', 'with --services: those of the line, behind --')
    .option('--services', 'what the script asks for: names for the last word, if it is one of a service')
    .action(async (shell: Shell, words: readonly string[], flags: CompletionFlags) => {
      if (flags.services === true) {
        const { serviceNamesFor } = await import('./scripts.js');
        const names = await serviceNamesFor(words, rootOf(command), io);
        if (flags.json === true) io.json(names);
        else for (const name of names) io.line(name);
        return;
      }
      const { completionScript } = await import('./scripts.js');
      const script = completionScript(shell, rootOf(command));
      if (flags.json === true) io.json({ shell, script });
      else io.write(script);
    });
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}
