import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { searchOptions } from '../search';

/** A section of a page, as the search of the site lists it. */
export interface Found {
  /** `canary`, `recipes/nestjs`. */
  readonly page: string;
  readonly title: string;
}

interface Index {
  search(text: string): readonly { readonly id: string; readonly title: string }[];
}

interface MiniSearch {
  loadJSON(json: string, options: object): Index;
}

export const built: string = join(__dirname, '..', 'dist');

/** The search that the browser makes, on the index that was built: in the pages of `root` (English) or `zh`. */
export async function openSearch(locale: 'root' | 'zh'): Promise<(question: string) => readonly Found[]> {
  const chunks = join(built, 'assets', 'chunks');
  const name = readdirSync(chunks).find((file) => file.startsWith(`@localSearchIndex${locale}.`));
  if (name === undefined) throw new Error(`${chunks}: no index of ${locale} (expected: a built site)`);
  const { default: json } = (await import(pathToFileURL(join(chunks, name)).href)) as { default: string };
  const library: MiniSearch = createRequire(__filename)('minisearch');
  const index = library.loadJSON(json, {
    fields: ['title', 'titles', 'text'],
    storeFields: ['title', 'titles'],
    searchOptions: searchOptions.searchOptions,
    ...searchOptions.options,
  });
  return (question) =>
    index.search(question).map(({ id, title }) => ({
      page: id
        .replace(/#.*$/, '')
        .replace(/^\/(zh\/)?/, '')
        .replace(/\.html$/, ''),
      title,
    }));
}
