/*
 * Says which translated pages are behind the text that they follow. Being behind is no error: it ends with 0.
 *   npm run docs:behind                                  lists them
 *   npm run docs:behind -- --follow docs/zh/canary.md    notes that the page follows its source as it is now
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { followsLine, sourceOf, translationsOf } from './generate/translations';

const root = join(__dirname, '..');
const [flag, ...files] = process.argv.slice(2);

if (flag === '--follow') for (const file of files) follow(relative(root, resolve(file)));
else list();

function follow(page: string): void {
  const source = sourceOf(page);
  const text = readFileSync(join(root, page), 'utf8').replace(/^<!-- follows .*-->\n/, '');
  const line = followsLine(source, readFileSync(join(root, source), 'utf8'));
  writeFileSync(join(root, page), `${line}\n${text}`);
  console.log(`${page}: ${line}`);
}

function list(): void {
  const translations = translationsOf(root);
  for (const { page, source, followed, isBehind } of translations) {
    const standing = followed === undefined ? 'names no source' : isBehind ? 'behind' : 'current';
    console.log(`${standing.padEnd(16)}${page} (${source})`);
  }
  const behind = translations.filter(({ isBehind }) => isBehind).length;
  console.log(`${translations.length} translations, ${behind} behind`);
}
