/*
 * Wraps the prose of the English pages at 120 characters: `npm run docs:wrap`, or `npm run docs:wrap -- docs/canary.md`.
 * Code, tables and headings stay as they are. A translation that followed its page goes on following it: no word changes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { englishPages } from './generate/pages';
import { wrapPage } from './generate/prose';
import { followsLine, translationsOf } from './generate/translations';

const root = join(__dirname, '..');
const named = process.argv.slice(2).map((file) => relative(root, resolve(file)));
const current = translationsOf(root).filter(({ isBehind }) => !isBehind);

for (const page of named.length === 0 ? englishPages(root) : named) {
  const text = readFileSync(join(root, page), 'utf8');
  const wrapped = wrapPage(text);
  if (wrapped === text) continue;
  writeFileSync(join(root, page), wrapped);
  console.log(page);
  for (const { page: translation } of current.filter(({ source }) => source === page)) {
    const [, ...rest] = readFileSync(join(root, translation), 'utf8').split('\n');
    writeFileSync(join(root, translation), [followsLine(page, wrapped), ...rest].join('\n'));
    console.log(`${translation}: follows it as it is now`);
  }
}
