// Prints what CHANGELOG.md says of a version, for its release. `node scripts/release-notes.mjs v0.2.0`
// Exits with 1 where the tag is not the version of package.json, or the changelog does not name that version with a date.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const tag = process.argv[2];
if (tag !== `v${version}`) fail(`tag: ${tag ?? 'absent'} (expected: v${version}, the version of package.json)`);

const sections = readFileSync(join(root, 'CHANGELOG.md'), 'utf8').split(/^## /m);
const section = sections.find((each) => each.startsWith(`${version} `));
const [heading = '', ...lines] = (section ?? '').split('\n');
if (!/^\S+ \(\d{4}-\d\d-\d\d\)$/.test(heading)) {
  fail(`CHANGELOG.md: ${heading === '' ? 'absent' : `## ${heading}`} (expected: ## ${version} (YYYY-MM-DD))`);
}
process.stdout.write(`${lines.join('\n').trim()}\n`);

function fail(problem) {
  console.error(problem);
  process.exit(1);
}
