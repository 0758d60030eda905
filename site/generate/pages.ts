import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Pages in English that people read to use or change Graylane, as paths from the root. Not decisions, nor changes. */
export function englishPages(root: string): readonly string[] {
  const inFolder = (folder: string): readonly string[] =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`)
      .sort();
  const examples = readdirSync(join(root, 'examples')).map((name) => `examples/${name}/README.md`);
  return [
    ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md'],
    ...['docs', 'docs/deploy', 'docs/recipes'].flatMap(inFolder),
    ...examples.filter((page) => existsSync(join(root, page))).sort(),
  ];
}
