import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProcessIo } from '../../../src/cli/io';
import { createProgram } from '../../../src/cli/program';
import { pages, readPage } from './fences';

const { commands } = createProgram(createProcessIo(process));
/** By what is typed: `graylane policy apply`. */
const byLine: ReadonlyMap<string, Command> = new Map(
  commands.flatMap((command): (readonly [string, Command])[] =>
    command.commands.length === 0
      ? [[`graylane ${command.name()}`, command]]
      : command.commands.map((inner) => [`graylane ${command.name()} ${inner.name()}`, inner]),
  ),
);
const page = readPage('docs/command.md');

/** From a heading of the page to the next one. */
function section(heading: string): string | undefined {
  return page.split(/^(?=#+ )/m).find((part) => part.startsWith(`### \`${heading}`));
}

describe('docs/command.md', () => {
  it.each([...byLine])('has a section on %s that names each of its options', (name: string, command: Command) => {
    const text = section(name);
    expect(text, `a section on ${name}`).toBeDefined();
    const everywhere = ['--json', '--consul', '--token-file', '--dc'];
    const options = command.options.map(({ long }) => long ?? '').filter((long) => !everywhere.includes(long));
    expect(options.filter((long) => !`${text}`.includes(long))).toEqual([]);
  });

  it('has no section on a command that is not there', () => {
    const headings = [...page.matchAll(/^### `(graylane(?: [a-z][a-z-]*)+)/gm)].map(([, line]) => `${line}`);
    expect(headings.length).toBeGreaterThan(15);
    expect(headings.filter((line) => !byLine.has(line))).toEqual([]);
  });
});

/** `graylane policy apply FILE --wait 30s`, in running text and in blocks, of every page. */
const LINE = /(?<=^|`|\$ |npx )graylane (?!\[)[a-z][^`\n#]*/gm;

describe('a command line in a page', () => {
  const lines = pages.flatMap((name) =>
    [...readPage(name).matchAll(LINE)].map(([line]) => [name, line.trim()] as const),
  );

  it('is looked for in the right places', () => expect(lines.length).toBeGreaterThan(30));

  it.each([...new Map(lines.map((found) => [found.join(), found])).values()])(
    '%s: %s: is of a command, with options of its own',
    (_, line) => {
      const found = [...byLine].find(([name]) => line === name || line.startsWith(`${name} `));
      const isGroup = commands.some(({ name }) => line === `graylane ${name}`);
      expect(found !== undefined || isGroup || line.startsWith('graylane COMMAND'), line).toBe(true);
      const known = found?.[1].options.flatMap(({ long, short }) => [long, short]) ?? [];
      const given = [...line.matchAll(/(?<= )(--[a-z-]+|-[a-z])(?=[ =]|$)/g)].map(([, option]) => option);
      expect(given.filter((option) => !known.includes(option))).toEqual([]);
    },
  );
});
