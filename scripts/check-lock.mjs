// Lock files name versions and checksums, never download addresses: who installs from a mirror of his own gets no diff,
// and nobody's mirror is published. `.npmrc` makes npm write them so; this catches a lock file written without it.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*package-lock.json'], {
  cwd: root,
  encoding: 'utf8',
});
const locks = listed.split('\n').filter((file) => file !== '' && existsSync(join(root, file)));

const problems = locks.flatMap((file) => {
  const text = readFileSync(join(root, file), 'utf8');
  const { packages } = JSON.parse(text);
  return [
    ...Object.entries(packages)
      .filter(([, entry]) => entry.resolved !== undefined && entry.link !== true)
      .map(([name, entry]) => `${file}: ${name}.resolved: ${entry.resolved} (expected: absent)`),
    ...Object.entries(packages)
      .filter(([name, entry]) => name.includes('node_modules/') && !entry.link && entry.integrity === undefined)
      .map(([name]) => `${file}: ${name}.integrity: absent (expected: a checksum)`),
  ];
});

if (locks.length === 0) problems.push('package-lock.json: absent (expected: at least one)');
for (const problem of problems) console.error(problem);
if (problems.length > 0) {
  console.error('Write it afresh: rm package-lock.json && npm install --package-lock-only (with .npmrc in place).');
  process.exit(1);
}
