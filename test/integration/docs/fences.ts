import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { translatedPages } from '../../../site/generate/translations';
import { blocksOf } from '../../support/blocks';

export const root: string = join(__dirname, '..', '..', '..');

/** The pages that people read, as paths from the root. */
export const pages: readonly string[] = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  ...['deploy', 'recipes'].flatMap((folder) =>
    readdirSync(join(root, 'docs', folder)).map((name) => `docs/${folder}/${name}`),
  ),
];

/** Those, and what is read beside the code: translations, decisions, examples, benchmarks. */
export const everyPage: readonly string[] = [
  ...pages,
  ...translatedPages(root),
  'CHANGELOG.md',
  'benchmarks/README.md',
  ...readdirSync(join(root, 'docs', 'decisions')).map((name) => `docs/decisions/${name}`),
  ...readdirSync(join(root, 'examples'))
    .map((name) => `examples/${name}/README.md`)
    .filter((page) => existsSync(join(root, page))),
];

/** A fenced block of a page. */
export interface Fence {
  readonly language: string;
  readonly text: string;
  /** `docs/canary.md:12`, where it begins. */
  readonly where: string;
}

export function readPage(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

export function fencesOf(page: string): readonly Fence[] {
  return blocksOf(readPage(page)).map(({ language, text, line }) => ({ language, text, where: `${page}:${line}` }));
}
