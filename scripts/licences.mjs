// The licences of the packages whose code is inside dist/.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A text with the licences of the packages that the modules `ids` come from. */
export function licencesOf(ids) {
  const folders = new Set(
    ids.flatMap((id) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/])/.exec(id)?.[0] ?? []),
  );
  /** Many packages have the same text. */
  const titlesByText = new Map();
  for (const folder of folders) {
    const text = textOf(folder);
    titlesByText.set(text, [...(titlesByText.get(text) ?? []), titleOf(folder)]);
  }
  const texts = [...titlesByText].map(([text, titles]) => `${titles.sort().join('\n')}\n\n${text}\n`).sort();
  return ['dist/ holds code of these packages.\n', ...texts].join(`\n${'-'.repeat(80)}\n\n`);
}

function titleOf(folder) {
  const { name, version, license } = manifestOf(folder);
  return `${name} ${version} (${license})`;
}

function textOf(folder) {
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined)
    throw new Error(`${manifestOf(folder).name}: no licence file (expected: one, to ship with its code)`);
  return readFileSync(join(folder, file), 'utf8').trim();
}

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}
