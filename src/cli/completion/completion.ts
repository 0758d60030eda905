import type { Command } from 'commander';
import { Argument } from 'commander';
import { defineCommand } from '../define-command';
import type { CommandIo } from '../io';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionCommand(io: CommandIo): Command {
  const command = defineCommand('completion', {
    summary: 'print what makes a shell complete commands and options',
    examples: [
      ['graylane completion fish > ~/.config/fish/completions/graylane.fish', 'once'],
      ['source <(graylane completion bash)', 'in ~/.bashrc'],
      ['source <(graylane completion zsh)', 'in ~/.zshrc, after compinit'],
    ],
  });
  return command
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .action(async (shell: Shell, flags: { readonly json?: boolean }) => {
      const { completionScript } = await import('./scripts.js');
      const script = completionScript(shell, rootOf(command));
      if (flags.json === true) io.json({ shell, script });
      else io.write(script);
    });
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}
