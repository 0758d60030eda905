import type { Command } from 'commander';
import { type ConsulFlags, connectConsul } from '../consul/consul-connection';
import { readServiceNames } from '../consul/instances-now';
import type { CommandIo } from '../io';

/** With the start of the process, a key press waits for at most a second. */
const TIME_LIMIT_MS = 700;

/**
 * Names of services where the last of `words` is one of a service, else none; `words` are those of the line, `graylane` the first.
 * From Consul, by the options on the line. Never rejects: what cannot be read is not offered.
 */
export async function serviceNamesFor(
  words: readonly string[],
  program: Command,
  io: CommandIo,
): Promise<readonly string[]> {
  const place = placeOf(words.slice(1), program);
  if (place === undefined) return [];
  try {
    const connection = await connectConsul(place, io);
    try {
      const [datacenter] = place.dc === undefined || place.dc === 'all' ? [] : place.dc.split(',');
      const names = await readServiceNames(connection.client, datacenter, TIME_LIMIT_MS);
      // Consul lists itself. What else a name may hold is nothing for a shell.
      return (names ?? []).filter((name) => name !== 'consul' && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)).sort();
    } finally {
      connection.close();
    }
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
  if (wanted !== undefined || !isServiceAt(command, position)) return undefined;
  const { consul, tokenFile, dc } = flags;
  return {
    ...(consul === undefined ? {} : { consul }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(dc === undefined ? {} : { dc }),
  };
}

function isServiceAt({ registeredArguments: known }: Command, position: number): boolean {
  const argument = known[position] ?? (known.at(-1)?.variadic === true ? known.at(-1) : undefined);
  return argument?.name() === 'service';
}
