import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const root = join(__dirname, '..', '..', '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

interface Rule {
  readonly alert?: string;
  readonly labels?: { readonly severity?: string };
}

const { groups } = parse(read('examples/telemetry/alerts.yml')) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const alarms = groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);
const page = read('docs/alarms.md');
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.split('\n', 1)[0], section]),
);

describe('the page on alarms', () => {
  it('has a section for each alarm, in the order of its table', () => {
    expect(alarms.length).toBeGreaterThan(15);
    expect([...sections.keys()].sort()).toEqual(alarms.map(({ alert }) => alert).sort());
    const listed = [...page.matchAll(/^\| \[(\w+)\]\(#(\w+)\) \| (\w+) \|/gm)];
    expect(listed.map(([, name]) => name)).toEqual([...sections.keys()]);
    for (const [, name, anchor, severity] of listed) {
      expect(anchor).toBe(name?.toLowerCase());
      expect([name, severity]).toEqual([name, alarms.find(({ alert }) => alert === name)?.labels?.severity]);
    }
  });

  it.each([...sections])('says of %s what it means, where to look, and the cure', (_, section) => {
    const said = [...section.matchAll(/^\*\*(\w+)\.\*\*/gm)].map(([, word]) => word);
    expect(said).toEqual(['Means', 'Look', 'Cure']);
  });

  it('names commands that there are', () => {
    const commands = [...read('docs/command.md').matchAll(/^#+ `graylane ([a-z][a-z-]*(?: [a-z][a-z-]*)?)/gm)].map(
      ([, name]) => name,
    );
    const named = [...page.matchAll(/`graylane ([a-z]+(?: [a-z-]+)?)/g)].map(([, name = '']) => name);
    const isCommand = (name: string): boolean => commands.includes(name) || commands.includes(name.split(' ')[0]);
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((name) => !isCommand(name))).toEqual([]);
  });

  it('names panels of the dashboard as they are called', () => {
    const named = [...page.matchAll(/"([A-Z][a-z ]+)"/g)].map(([, title]) => title);
    const titles = [...read('examples/telemetry/dashboard.json').matchAll(/"title": "(.+)"/g)].map(
      ([, title]) => title,
    );
    expect(named.length).toBeGreaterThan(2);
    expect(named.filter((title) => !titles.includes(title))).toEqual([]);
  });
});
