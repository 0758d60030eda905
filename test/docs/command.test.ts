import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProcessIo } from '../../src/cli/io';
import { createProgram } from '../../src/cli/program';
import { readPage } from './fences';

const { commands } = createProgram(createProcessIo(process));
const page = readPage('docs/command.md');

/** From a heading of the page to the next one. */
function section(heading: string): string | undefined {
  return page.split(/^(?=#+ )/m).find((part) => part.startsWith(`### \`${heading}`));
}

describe('docs/command.md', () => {
  it.each(
    commands.flatMap((command): (readonly [string, Command])[] =>
      command.commands.length === 0
        ? [[`graylane ${command.name()}`, command]]
        : command.commands.map((inner) => [`graylane ${command.name()} ${inner.name()}`, inner]),
    ),
  )('has a section on %s that names each of its options', (name: string, command: Command) => {
    const text = section(name);
    expect(text, `a section on ${name}`).toBeDefined();
    const everywhere = ['--json', '--consul', '--token-file', '--dc'];
    const options = command.options.map(({ long }) => long ?? '').filter((long) => !everywhere.includes(long));
    expect(options.filter((long) => !`${text}`.includes(long))).toEqual([]);
  });
});
