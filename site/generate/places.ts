import { existsSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { translatedPages } from './translations';

/** A file of the repository, by its path from the root, and the page of the site that it becomes, by its path there. */
export type Places = ReadonlyMap<string, string>;

/** Pages whose place does not follow from their path. */
const NAMED: readonly (readonly [string, string])[] = [
  ['README.md', 'introduction.md'],
  ['docs/README.md', 'contents.md'],
  ['README.zh-CN.md', 'zh/introduction.md'],
  ['docs/zh/README.md', 'zh/contents.md'],
  ['benchmarks/README.md', 'benchmarks.md'],
  ['CHANGELOG.md', 'changelog.md'],
  ['CONTRIBUTING.md', 'contributing.md'],
  ['SECURITY.md', 'reporting.md'],
];
/** Folders below `docs` that are no pages by themselves: reports of the API, and translations, which are named. */
const NO_PAGES = ['api', 'zh', 'pictures'];

/** Every page of the site that is made of one file, and the examples, which are made of their folder. */
export function placesOf(root: string): Places {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.md') && !NO_PAGES.includes(name.split('/')[0] ?? ''));
  const places = new Map<string, string>();
  for (const name of docs.sort()) places.set(`docs/${name}`, name);
  for (const page of translatedPages(root)) places.set(page, page.replace(/^docs\//, ''));
  for (const [file, page] of NAMED) {
    places.delete(file);
    if (existsSync(join(root, file))) places.set(file, page);
  }
  for (const name of readdirSync(join(root, 'examples')).sort()) {
    if (existsSync(join(root, 'examples', name, 'README.md'))) {
      places.set(`examples/${name}/README.md`, `examples/${name}.md`);
    }
  }
  places.delete('docs/decisions/0000-template.md');
  return places;
}

/**
 * A page's text with its links to files of the repository led to where these stand on the site. A file of an example leads
 * to the page of the example; of a link to a file that is no page, such as a workflow, the text stays. Links to pages that
 * the site does not have are reported to `missing`.
 */
export function placeLinks(text: string, file: string, places: Places, missing: (target: string) => void): string {
  const page = places.get(file) ?? file;
  let isCode = false;
  const lines = text.split('\n').map((line) => {
    if (line.startsWith('```')) isCode = !isCode;
    if (isCode) return line;
    return withoutFiles(line).replace(
      /(?<=\]\()(?![a-z]+:)([^)#\s]+)(#[^)\s]*)?(?=\))/g,
      (whole, target: string, anchor = '') => {
        const place = placeOf(posix.join(posix.dirname(file), target), places);
        if (place === undefined) {
          if (!isPicture(target)) missing(`${file}: ${whole}`);
          return isPicture(target) ? picture(posix.join(posix.dirname(file), target), page) : whole;
        }
        return `${relativeTo(page, place)}${anchor}`;
      },
    );
  });
  return lines.join('\n');

  function withoutFiles(line: string): string {
    return line.replace(
      /(?<!!)\[([^\]]+)\]\((?![a-z]+:)([^)#\s]+\.[a-z]+)\)/g,
      (whole, shown: string, target: string) => {
        const path = posix.join(posix.dirname(file), target);
        return /\.(md|svg|png)$/.test(target) || placeOf(path, places) !== undefined ? whole : shown;
      },
    );
  }
}

/** The address on the site, from its root, of a link that stands in a file of `folder`. Throws where it leads nowhere. */
export function routeOf(link: string, folder: string, places: Places): string {
  const [path = '', anchor] = link.split('#');
  const place = placeOf(posix.join(folder, path), places);
  if (place === undefined) throw new Error(`${folder}: ${link}: no page of the site`);
  const route = `/${place.replace(/(^|\/)index\.md$/, '$1').replace(/\.md$/, '')}`;
  return anchor === undefined ? route : `${route}#${anchor}`;
}

function placeOf(path: string, places: Places): string | undefined {
  const plain = path.replace(/\/$/, '');
  if (plain === 'docs/decisions') return 'decisions/index.md';
  if (plain === 'docs/api') return 'reference/api-index.md';
  const api = /^docs\/api\/(\w+)\.api\.md$/.exec(plain)?.[1];
  if (api !== undefined) return `reference/api-${api}.md`;
  const found = places.get(plain) ?? places.get(`${plain}/README.md`);
  if (found !== undefined || !/^examples(\/|$)/.test(plain)) return found;
  return places.get(`examples/${plain.split('/')[1]}/README.md`) ?? 'examples/index.md';
}

const isPicture = (target: string): boolean => /\.(svg|png|webp|gif)$/.test(target);

/** Pictures of `docs` keep their places. */
function picture(path: string, page: string): string {
  return relativeTo(page, path.replace(/^docs\//, ''));
}

function relativeTo(page: string, target: string): string {
  const path = posix.relative(posix.dirname(page), target);
  return path.startsWith('.') ? path : `./${path}`;
}
