// The licences of the packages whose code is inside dist/.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A text with the licences of the packages that the modules `ids` come from. */
export function licencesOf(ids) {
  const folders = new Set(
    ids.flatMap((id) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/])/.exec(id)?.[0] ?? []),
  );
  /** Many packages have the same text, but for whose copyright it is and where its lines end. */
  const shared = new Map();
  for (const folder of folders) {
    const { notices, text } = partsOf(textOf(folder));
    const key = text.replace(/\s+/g, ' ');
    const before = shared.get(key) ?? { titles: [], notices: [] };
    shared.set(key, { titles: [...before.titles, titleOf(folder)], notices: [...before.notices, ...notices], text });
  }
  const texts = [...shared.values()].map(({ titles, notices, text }) => {
    const parts = [titles.sort(), [...new Set(notices)].sort(), [text]].filter((lines) => lines.length > 0);
    return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`;
  });
  return ['dist/ holds code of these packages.\n', ...texts.sort()].join(`\n${'-'.repeat(80)}\n\n`);
}

/** The notices of the MIT licence stand before its text. Other licences are kept whole. */
function partsOf(text) {
  const [head, ...rest] = text.split(/(?=^Permission is hereby granted, free of charge,)/m);
  const lines = head.split('\n').flatMap((line) => line.trim() || []);
  const notices = lines.filter((line) => /^copyright\b/i.test(line));
  const titles = lines.filter((line) => /^\(?(the )?mit licen[cs]e\b/i.test(line));
  const isPlain = rest.length === 1 && notices.length > 0 && notices.length + titles.length === lines.length;
  return isPlain ? { notices, text: `MIT License\n\n${rest[0].trim()}` } : { notices: [], text };
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
