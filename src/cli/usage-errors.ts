import type { Command } from 'commander';
import { didYouMean } from './describe';

type Rewrite = (command: Command, ...parts: string[]) => string;

/** Commander's sentences, and the same in the form of all other messages: where, what was found, what was expected. */
const SENTENCES: readonly (readonly [RegExp, Rewrite])[] = [
  [
    /^option '(.*)' argument '(.*)' is invalid\. (.*)$/s,
    (_, flags = '', found = '', why = '') => refused(nameIn(flags), found, why),
  ],
  [
    /^command-argument value '(.*)' is invalid for argument '(.*)'\. (.*)$/s,
    (_, found = '', name = '', why = '') => refused(name, found, why),
  ],
  [
    /^option '(.*)' argument missing$/,
    (_, flags = '') => `${nameIn(flags)}: missing (expected: ${nameIn(flags)} ${valueIn(flags)})`,
  ],
  [
    /^required option '(.*)' not specified$/,
    (_, flags = '') => `${nameIn(flags)}: missing (expected: ${nameIn(flags)} ${valueIn(flags)})`,
  ],
  [/^missing required argument '(.*)'$/, (command, name = '') => `${name}: missing (expected: ${usageOf(command)})`],
  [/^too many arguments/, (command) => `${command.args.length} arguments (expected: ${usageOf(command)})`],
  [
    /^unknown option '--token(?:=.*)?'/,
    () =>
      '--token: others would see it on the command line (expected: --token-file FILE, or the variable CONSUL_HTTP_TOKEN)',
  ],
  [/^unknown command '(.*?)'(?: \((Did you mean .*)\))?$/s, unknownCommand],
];

/** What was wrong with a command line, from what Commander says of it. */
export function usageError(command: Command, text: string): string {
  for (const [pattern, rewrite] of SENTENCES) {
    const found = pattern.exec(text);
    if (found !== null) return rewrite(command, ...found.slice(1));
  }
  return text;
}

/** `graylane policy apply` */
export function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** `graylane help policy` and `graylane policy help apply` are what `--help` behind them is. */
export function withoutHelpWord(args: readonly string[], program: Command): readonly string[] {
  const isGroup = program.commands.some((each) => each.name() === args[0] && each.commands.length > 0);
  const at = args[0] === 'help' ? 0 : isGroup && args[1] === 'help' ? 1 : -1;
  return at === -1 ? args : [...args.toSpliced(at, 1), '--help'];
}

function refused(name: string, found: string, why: string): string {
  // An address may hold a password.
  const isSecret = /:[^/@]*@/.test(found);
  const shown = isSecret ? '(not shown)' : found === '' || /\s/.test(found) ? JSON.stringify(found) : found;
  const choices = /^Allowed choices are (.*)\.$/s.exec(why)?.[1];
  if (choices === undefined) return `${name}: ${shown} ${why}`;
  const hint = didYouMean(found, choices.split(', '));
  return `${name}: ${shown} (expected: one of ${choices}${hint === '' ? '' : `; ${hint}`})`;
}

/** The long name in `-m, --message <text>`. */
function nameIn(flags: string): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags;
}

function valueIn(flags: string): string {
  return /[<[].*$/.exec(flags)?.[0] ?? '';
}

function usageOf(command: Command): string {
  const args = command.registeredArguments.map((each) => {
    const name = `${each.name()}${each.variadic ? '...' : ''}`;
    return each.required ? `<${name}>` : `[${name}]`;
  });
  return [pathOf(command), ...args].join(' ');
}

/** Most that are named as likely meant. */
const LIKELY = 3;

function unknownCommand(command: Command, name = '', near = ''): string {
  const all = leavesOf(rootOf(command));
  const [exact, spelt] = [
    all.filter((each) => each.name() === name),
    didYouMean(
      name,
      all.map((each) => each.name()),
    ),
  ];
  const meant = all.filter((each) => spelt === `did you mean ${each.name()}?`);
  const likely = [exact, near === '' ? meant : []].find((some) => some.length > 0 && some.length <= LIKELY);
  const found = `unknown command '${name}'`;
  if (likely !== undefined) return `${found} (did you mean ${likely.map(pathOf).join(', or ')}?)`;
  if (near !== '') return `${found} (${near})`;
  if (command.parent === null) return found;
  return `${found} (expected: one of ${command.commands.map((each) => each.name()).join(', ')})`;
}

function leavesOf(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}
