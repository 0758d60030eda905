import type { CommandDefinition, CommandGroup } from '../../src/cli/command';
import { escapeHtml } from './api-reference';

/** The reference of the command, from the definitions that the program itself runs by. */
export function commandReference(commands: readonly (CommandDefinition | CommandGroup)[]): string {
  const all = commands.flatMap((each): (readonly [string, CommandDefinition])[] =>
    'commands' in each
      ? each.commands.map((inner) => [`graylane ${each.name} ${inner.name}`, inner])
      : [[`graylane ${each.name}`, each]],
  );
  const list = all.map(([line, { summary }]) => `| [\`${line}\`](#${line.replaceAll(' ', '-')}) | ${cell(summary)} |`);
  return `# Command reference

Every command of \`npx graylane\` with its arguments and options, made from the program. What they are for, and how they
play together: [the command](../command.md). \`--json\` is an option of each: the result as one JSON document.

| command | what it does |
|---|---|
${list.join('\n')}

${all.map(([line, definition]) => section(line, definition)).join('\n')}`;
}

function section(line: string, { summary, description, examples, args = [], options = [] }: CommandDefinition): string {
  const usage = args.map((arg) => {
    const name = arg.variadic ? `${arg.name()}...` : arg.name();
    return arg.required ? ` <${name}>` : ` [${name}]`;
  });
  const rows = [
    ...args
      .filter((arg) => arg.description !== '')
      .map((arg) => [`<${arg.name()}>`, arg.description, arg.defaultValue]),
    ...options
      .filter((option) => !option.hidden)
      .map((option) => [option.flags, option.description, option.defaultValue]),
  ].map(([name, says, initial]) => `| \`${name}\` | ${cell(`${says}${defaultOf(initial)}`)} |`);
  const table = rows.length === 0 ? '' : `\n| given | means |\n|---|---|\n${rows.join('\n')}\n`;
  const lines = Object.entries(examples).map(([example, purpose]) => `# ${purpose}\n${example}`);
  return `## ${line}

${escapeHtml(description ?? `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)}

\`\`\`text
${line}${usage.join('')} [options]
\`\`\`
${table}
\`\`\`sh
${lines.join('\n\n')}
\`\`\`
`;
}

function defaultOf(value: unknown): string {
  const isShown = ['string', 'number', 'boolean'].includes(typeof value) && value !== '';
  return isShown ? ` (default: \`${String(value)}\`)` : '';
}

const cell = (text: string): string => escapeHtml(text).replaceAll('|', '\\|').replaceAll('\n', ' ');
