// The licences of the packages whose code is inside dist/.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A text with the licences of the packages that the modules `ids` come from. */
export function licencesOf(ids) {
  const folders = new Set(
    ids.flatMap((id) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/])/.exec(id)?.[0] ?? []),
  );
  const texts = [...folders].map(licenceOf).sort();
  return ['dist/ holds code of these packages.\n', ...texts].join(`\n${'-'.repeat(80)}\n\n`);
}

function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) throw new Error(`${name}: no licence file (expected: one, to ship with its code)`);
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
}
