import type { Command, Option } from 'commander';
import { type ConsulFlags, withConsul } from '../consul/consul-connection';
import { readServiceNames } from '../consul/instances-now';
import type { CommandIo } from '../io';

/**
 * What each shell runs. The scripts ask the command itself what may stand in place of the last word, so that they fit
 * every version. Where the command offers nothing, the shell offers files.
 */
const SCRIPTS = {
  bash: `# bash completion for graylane: source <(graylane completion bash)
_graylane() {
  local current=\${COMP_WORDS[COMP_CWORD]} line
  # COMP_WORDS has addresses in pieces.
  read -ra line <<< "\${COMP_LINE:0:COMP_POINT}"
  [[ -n $current ]] || line+=('')
  COMPREPLY=($(compgen -W "$("\${line[0]}" completion bash --services -- "\${line[@]}" 2>/dev/null)" -- "$current"))
}
complete -o default -F _graylane graylane
`,
  zsh: `#compdef graylane
# zsh completion for graylane: source <(graylane completion zsh), after compinit
_graylane() {
  local -a offers
  offers=(\${(f)"$(\${words[1]} completion zsh --services -- "\${(@)words[1,CURRENT]}" 2>/dev/null)"})
  if (( $#offers )); then _describe command offers; else _files; fi
}
if [[ "$funcstack[1]" == _graylane ]]; then _graylane; else compdef _graylane graylane; fi
`,
  fish: `# fish completion for graylane: graylane completion fish > ~/.config/fish/completions/graylane.fish
function __graylane_offers
  set -l words (commandline -opc) (commandline -ct)
  set -l offers ($words[1] completion fish --services -- $words 2>/dev/null)
  if test (count $offers) -gt 0
    printf '%s\\n' $offers
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c graylane -f -a '(__graylane_offers)'
`,
};

interface Offer {
  readonly word: string;
  readonly text: string;
}

/** `completion`. */
export async function completeShell(
  shell: keyof typeof SCRIPTS,
  words: readonly string[],
  flags: { readonly services?: boolean },
  io: CommandIo,
  command: Command,
): Promise<void> {
  const script = SCRIPTS[shell];
  if (flags.services !== true) {
    io.json({ shell, script });
    io.write(script);
    return;
  }
  const offers = await offersFor(words, command.parent ?? command, io);
  io.json(offers.map(({ word }) => word));
  for (const { word, text } of offers) {
    const described = { bash: word, zsh: `${word.replaceAll(':', '\\:')}:${text}`, fish: `${word}\t${text}` };
    // Not `line()`, which keeps no tabs.
    io.write(`${text === '' ? word : described[shell]}\n`);
  }
}

/**
 * What may stand in place of the last of `words`; `words` are those of the line, `graylane` the first: the values of
 * an option or an argument, options, nested commands, and names of services.
 */
async function offersFor(words: readonly string[], program: Command, io: CommandIo): Promise<readonly Offer[]> {
  const { command, position, wanted, flags } = placeOf(words.slice(1, -1), program);
  const choicesOf = (values: readonly string[] | undefined): readonly Offer[] =>
    (values ?? []).map((word) => ({ word, text: '' }));
  if (wanted !== undefined) return choicesOf(wanted.argChoices);
  if (words.at(-1)?.startsWith('-') === true) {
    const options = command.options.flatMap(({ long, short, description: text }) =>
      [long, short].flatMap((word) => (word ? [{ word, text }] : [])),
    );
    return [...options, { word: '--help', text: 'show this' }];
  }
  const { registeredArguments: known } = command;
  const argument = known[position] ?? (known.at(-1)?.variadic === true ? known.at(-1) : undefined);
  return [
    ...choicesOf(argument?.argChoices),
    ...command.commands.map((nested) => ({ word: nested.name(), text: nested.summary() || nested.description() })),
    ...choicesOf(argument?.name() === 'service' ? await serviceNames(flags, io) : []),
  ];
}

/** The command that is typed so far, its next argument, the option whose value comes next, and what the line says. */
function placeOf(typed: readonly string[], program: Command) {
  let command = program;
  let position = 0;
  let wanted: Option | undefined;
  const flags: Record<string, string> = {};
  for (const word of typed) {
    if (wanted !== undefined) {
      flags[wanted.attributeName()] = word;
      wanted = undefined;
    } else if (word.startsWith('-')) {
      const [name = '', value] = word.split(/=(.*)/s);
      const option = command.options.find(({ long, short }) => long === name || short === name);
      if (option === undefined || option.isBoolean()) continue;
      if (value !== undefined) flags[option.attributeName()] = value;
      else if (option.required) wanted = option;
    } else {
      const nested = position === 0 ? command.commands.find((each) => each.name() === word) : undefined;
      if (nested === undefined) position += 1;
      command = nested ?? command;
    }
  }
  return { command, position, wanted, flags };
}

/** With the start of the process, a key press waits at most a second. */
const TIME_LIMIT_MS = 700;

/** From Consul, by the options on the line. Never rejects: what cannot be read is not offered. */
async function serviceNames(flags: ConsulFlags, io: CommandIo): Promise<readonly string[]> {
  try {
    const [datacenter] = flags.dc === undefined || flags.dc === 'all' ? [] : flags.dc.split(',');
    const names = await withConsul(flags, io, ({ client }) => readServiceNames(client, datacenter, TIME_LIMIT_MS));
    // Consul lists itself. What else a name may hold is nothing for a shell.
    return (names ?? []).filter((name) => name !== 'consul' && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)).sort();
  } catch {
    return [];
  }
}
