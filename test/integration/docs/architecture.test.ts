import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readPage, root } from './fences';

const PAGES = ['docs/architecture.md', 'CONTRIBUTING.md'];

describe('the map of the source', () => {
  it.each(PAGES)('%s names only what is there', (page) => {
    const named = [...readPage(page).matchAll(/`((?:src|test|docs|scripts|benchmarks)\/[\w./-]+)`/g)].map(
      ([, path]) => path,
    );
    const missing = named.filter((path) => !path?.includes('your-') && !existsSync(join(root, path ?? '')));
    expect(named.length).toBeGreaterThan(5);
    expect(missing).toEqual([]);
  });

  it('shows the arrows that the project references hold', () => {
    const rows = [...readPage('docs/architecture.md').matchAll(/^\| `src\/(\w+)` \|.*\| ([^|]+) \|$/gm)];
    const shown = Object.fromEntries(
      rows.map(([, room, arrows]) => [room, arrows === 'nothing of ours' ? [] : arrows?.split(', ')]),
    );
    const rooms = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const held = rooms.map(({ name }) => [name, referencesOf(name)] as const);
    expect(shown).toEqual(Object.fromEntries(held));
  });

  it('names every room of the client', () => {
    const page = readPage('docs/architecture.md');
    const rooms = readdirSync(join(root, 'src', 'client'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    expect(rooms.map(({ name }) => name).filter((name) => !page.includes(`| \`${name}/\` |`))).toEqual([]);
  });
});

function referencesOf(room: string): readonly string[] {
  const config: { references?: readonly { path: string }[] } = JSON.parse(
    readFileSync(join(root, 'src', room, 'tsconfig.json'), 'utf8'),
  );
  return (config.references ?? []).map(({ path }) => path.replace('../', ''));
}
