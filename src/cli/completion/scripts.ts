import type { Command } from 'commander';
import { defined } from '../../base/defined';
import { type ConsulFlags, withConsul } from '../consul/consul-connection';
import { readServiceNames } from '../consul/instances-now';
import type { CommandIo } from '../io';

/** What may follow a command: its nested commands, its options, and the values of what has a fixed set of them. */
interface Place {
  /** ` policy apply`: each word with a space before it; empty for the command itself. */
  readonly at: string;
  readonly commands: readonly Offer[];
  readonly options: readonly Offer[];
  /** Of its first argument. */
  readonly values: readonly string[];
  readonly valuesOf: readonly { readonly option: string; readonly values: readonly string[] }[];
  /** An argument of it names a service. */
  readonly hasService: boolean;
}

interface Offer {
  readonly word: string;
  readonly text: string;
}

type Shell = 'bash' | 'zsh' | 'fish';

/** `completion`. */
export async function completeShell(
  shell: Shell,
  words: readonly string[],
  flags: { readonly services?: boolean },
  io: CommandIo,
  command: Command,
): Promise<void> {
  const program = command.parent ?? command;
  if (flags.services === true) {
    const names = await serviceNamesFor(words, program, io);
    io.json(names);
    for (const name of names) io.line(name);
    return;
  }
  const script = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](placesOf(program, ''));
  io.json({ shell, script });
  io.write(script);
}

function placesOf(command: Command, at: string): readonly Place[] {
  const options = command.options.flatMap((option) => {
    const words = [option.long, option.short].filter((word) => word !== undefined && word !== null);
    return words.map((word) => ({ word, text: option.description }));
  });
  const place: Place = {
    at,
    commands: command.commands.map((nested) => ({
      word: nested.name(),
      text: nested.summary() || nested.description(),
    })),
    options: [...options, { word: '--help', text: 'show this' }],
    values: command.registeredArguments[0]?.argChoices ?? [],
    valuesOf: command.options.flatMap(({ long, argChoices }) =>
      long === undefined || long === null || argChoices === undefined ? [] : [{ option: long, values: argChoices }],
    ),
    hasService: command.registeredArguments.some((argument) => argument.name() === 'service'),
  };
  return [place, ...command.commands.flatMap((nested) => placesOf(nested, `${at} ${nested.name()}`))];
}

/** Every command but the program itself, as words of the shell. */
function nestedIn(places: readonly Place[]): readonly string[] {
  return places.flatMap(({ at }) => (at === '' ? [] : [`'${at}'`]));
}

/** As a pattern of `case`: where the command is asked for names of services. */
function asksFor(places: readonly Place[]): string {
  return places.flatMap(({ at, hasService }) => (hasService ? [`'${at}'`] : [])).join('|');
}

function bashScript(places: readonly Place[]): string {
  const cases = places.map(({ at, commands, options, values }) => {
    const words = [...commands, ...options].map(({ word }) => word);
    return `    '${at}') words='${[...values, ...words].join(' ')}' ;;`;
  });
  const given = places.flatMap(({ at, valuesOf }) =>
    valuesOf.map(({ option, values }) => `    '${at} ${option}') words='${values.join(' ')}' ;;`),
  );
  return `# bash completion for graylane: source <(graylane completion bash)
_graylane() {
  local current=\${COMP_WORDS[COMP_CWORD]} at= words= word line
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
      ${nestedIn(places).join('|')}) at="$at $word" ;;
    esac
  done
  case "$at" in
${cases.join('\n')}
  esac
  case "$at \${COMP_WORDS[COMP_CWORD-1]}" in
${given.join('\n')}
    *)
      if [[ $current != -* ]]; then
        case "$at" in
          ${asksFor(places)})
            # COMP_WORDS has addresses in pieces.
            read -ra line <<< "\${COMP_LINE:0:COMP_POINT}"
            [[ -n $current ]] || line+=('')
            words+=" $("\${line[0]}" completion bash --services -- "\${line[@]}" 2>/dev/null)" ;;
        esac
      fi ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _graylane graylane
`;
}

function zshScript(places: readonly Place[]): string {
  const offers = (list: readonly Offer[]): string =>
    list.map(({ word, text }) => `'${quoted(`${word.replaceAll(':', '\\:')}:${text}`)}'`).join(' ');
  const cases = places.map(({ at, commands, options, values }) => {
    const named = [...values.map((word) => ({ word, text: '' })), ...commands];
    return `    '${at}') offers=(${offers(named)}); options=(${offers(options)}) ;;`;
  });
  const given = places.flatMap(({ at, valuesOf }) =>
    valuesOf.map(({ option, values }) => `    '${at} ${option}') offers=(${values.join(' ')}); options=() ;;`),
  );
  return `#compdef graylane
# zsh completion for graylane: source <(graylane completion zsh), after compinit
_graylane() {
  local at= word
  local -a offers options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
      ${nestedIn(places).join('|')}) at="$at $word" ;;
    esac
  done
  case "$at" in
${cases.join('\n')}
  esac
  case "$at \${words[CURRENT-1]}" in
${given.join('\n')}
    *)
      if [[ "$PREFIX" != -* ]]; then
        case "$at" in
          ${asksFor(places)}) offers+=(\${(f)"$(\${words[1]} completion zsh --services -- "\${(@)words[1,CURRENT]}" 2>/dev/null)"}) ;;
        esac
      fi ;;
  esac
  if [[ "$PREFIX" == -* ]]; then
    _describe option options
  elif (( $#offers )); then
    _describe command offers
  else
    _files
  fi
}
if [[ "$funcstack[1]" == _graylane ]]; then _graylane; else compdef _graylane graylane; fi
`;
}

function fishScript(places: readonly Place[]): string {
  const lines = places.flatMap(({ at, commands, options, values, valuesOf, hasService }) => {
    const here = `complete -c graylane -n '__graylane_at "${at}"'`;
    return [
      ...(commands.length + values.length > 0 ? [`${here} -f`] : []),
      ...(hasService ? [`${here} -a '(__graylane_services)'`] : []),
      ...[...values.map((word) => ({ word, text: '' })), ...commands].map(
        ({ word, text }) => `${here} -a ${word} -d '${fishQuoted(text)}'`,
      ),
      ...options.map(({ word, text }) => {
        const of = valuesOf.find(({ option }) => option === word);
        const kind = word.startsWith('--') ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`;
        const choices = of === undefined ? '' : ` -x -a '${of.values.join(' ')}'`;
        return `${here} ${kind}${choices} -d '${fishQuoted(text)}'`;
      }),
    ];
  });
  return `# fish completion for graylane: graylane completion fish > ~/.config/fish/completions/graylane.fish
function __graylane_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    switch "$at $word"
      case ${nestedIn(places).join(' ')}
        set at "$at $word"
    end
  end
  test "$at" = "$argv[1]"
end
function __graylane_services
  set -l words (commandline -opc) (commandline -ct)
  $words[1] completion fish --services -- $words 2>/dev/null
end
${lines.join('\n')}
`;
}

function quoted(text: string): string {
  return text.replaceAll("'", "'\\''");
}

function fishQuoted(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
}

/** With the start of the process, a key press waits for at most a second. */
const TIME_LIMIT_MS = 700;

/**
 * Names of services where the last of `words` is one of a service, else none; `words` are those of the line, `graylane`
 * the first. From Consul, by the options on the line. Never rejects: what cannot be read is not offered.
 */
async function serviceNamesFor(words: readonly string[], program: Command, io: CommandIo): Promise<readonly string[]> {
  const place = placeOf(words.slice(1), program);
  if (place === undefined) return [];
  try {
    const [datacenter] = place.dc === undefined || place.dc === 'all' ? [] : place.dc.split(',');
    const names = await withConsul(place, io, ({ client }) => readServiceNames(client, datacenter, TIME_LIMIT_MS));
    // Consul lists itself. What else a name may hold is nothing for a shell.
    return (names ?? []).filter((name) => name !== 'consul' && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)).sort();
  } catch {
    return [];
  }
}

/** What the line says of Consul, if its last word is the name of a service. */
function placeOf(words: readonly string[], program: Command): ConsulFlags | undefined {
  const typed = words.slice(0, -1);
  let command = program;
  let position = 0;
  let wanted: string | undefined;
  const flags: Record<string, string> = {};
  for (const word of typed) {
    if (wanted !== undefined) {
      flags[wanted] = word;
      wanted = undefined;
    } else if (word.startsWith('-')) {
      const [name = '', value] = word.split(/=(.*)/s);
      const option = command.options.find(({ long, short }) => long === name || short === name);
      if (option === undefined || option.isBoolean()) continue;
      if (value !== undefined) flags[option.attributeName()] = value;
      else if (option.required) wanted = option.attributeName();
    } else {
      const nested = position === 0 ? command.commands.find((each) => each.name() === word) : undefined;
      if (nested === undefined) position += 1;
      command = nested ?? command;
    }
  }
  const { registeredArguments: known } = command;
  const argument = known[position] ?? (known.at(-1)?.variadic === true ? known.at(-1) : undefined);
  if (wanted !== undefined || argument?.name() !== 'service') return undefined;
  const { consul, tokenFile, dc } = flags;
  return defined({ consul, tokenFile, dc });
}
