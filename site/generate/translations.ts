import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where translated pages live: `docs/zh/canary.md` follows `docs/canary.md`. */
const TRANSLATED_FOLDER = 'docs/zh';
/** A translation whose path does not tell its source. */
const README = ['README.zh-CN.md', 'README.md'] as const;
/** An index has an order of its own, and follows nothing. */
const OWN = [`${TRANSLATED_FOLDER}/README.md`, `${TRANSLATED_FOLDER}/glossary.md`];
const FOLLOWS = /^<!-- follows (\S+) at ([0-9a-f]{12}) -->$/;

/** A translated page, and how it stands to its source. Paths are from the root of the repository. */
export interface Translation {
  readonly page: string;
  readonly source: string;
  /** Undefined: the first line does not say what the page follows. */
  readonly followed: { readonly source: string; readonly digest: string } | undefined;
  /** Whether the source has changed since; true also where `followed` is undefined. */
  readonly isBehind: boolean;
}

/** Twelve digits that name the content of a text. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text.replaceAll('\r\n', '\n')).digest('hex').slice(0, 12);
}

/** The page that a translation follows, by its path. Throws where the path is of no translation. */
export function sourceOf(page: string): string {
  if (page === README[0]) return README[1];
  if (!page.startsWith(`${TRANSLATED_FOLDER}/`)) {
    throw new Error(`${page}: no translation (expected: a page in ${TRANSLATED_FOLDER}, or ${README[0]})`);
  }
  return page.replace(`${TRANSLATED_FOLDER}/`, 'docs/');
}

/** The first line of a translation. */
export function followsLine(source: string, sourceText: string): string {
  return `<!-- follows ${source} at ${digestOf(sourceText)} -->`;
}

/** Every page in another language below `root`, those that follow nothing included, in the order of their names. */
export function translatedPages(root: string): readonly string[] {
  const folder = join(root, TRANSLATED_FOLDER);
  const pages = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  return [README[0], ...pages.map((name) => `${TRANSLATED_FOLDER}/${name.replaceAll('\\', '/')}`).sort()].filter(
    (page) => page.endsWith('.md') && existsSync(join(root, page)),
  );
}

/** Those of them that follow a source. */
export function translationsOf(root: string): readonly Translation[] {
  return translatedPages(root)
    .filter((page) => !OWN.includes(page))
    .map((page) => readTranslation(root, page));
}

function readTranslation(root: string, page: string): Translation {
  const source = sourceOf(page);
  const [, named, digest] = FOLLOWS.exec(readFileSync(join(root, page), 'utf8').split('\n', 1)[0] ?? '') ?? [];
  const followed = named === undefined || digest === undefined ? undefined : { source: named, digest };
  const now = existsSync(join(root, source)) ? digestOf(readFileSync(join(root, source), 'utf8')) : undefined;
  return { page, source, followed, isBehind: followed?.digest !== now };
}
