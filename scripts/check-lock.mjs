// Two things that npm lets happen and that fail later, on another machine:
// - download addresses in the lock file, which name whatever mirror it was written at (`.npmrc` keeps them out);
// - builds for other platforms left out, because the mirror did not have them. `npm ci` then refuses the lock file.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const lsFiles = ['ls-files', '--cached', '--others', '--exclude-standard', '*package-lock.json'];
const listed = execFileSync('git', lsFiles, { cwd: root, encoding: 'utf8' });
const locks = listed.split('\n').filter((file) => file !== '' && existsSync(join(root, file)));

const problems =
  locks.length === 0 ? ['package-lock.json: absent (expected: at least one)'] : locks.flatMap(problemsOf);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;

function problemsOf(file) {
  const { packages } = JSON.parse(readFileSync(join(root, file), 'utf8'));
  return Object.entries(packages)
    .flatMap(([path, entry]) => [
      ...addressProblems(path, entry),
      ...Object.keys(entry.optionalDependencies ?? {})
        .filter((name) => !resolves(packages, path, name))
        .map((name) => `${path}.optionalDependencies.${name}: not locked (expected: every platform's build)`),
    ])
    .map((problem) => `${file}: ${problem}`);
}

function addressProblems(path, entry) {
  if (!path.includes('node_modules/') || entry.link === true) return [];
  const problems = [];
  if (entry.resolved !== undefined) problems.push(`${path}.resolved: ${entry.resolved} (expected: absent)`);
  if (entry.integrity === undefined && entry.inBundle !== true) {
    problems.push(`${path}.integrity: absent (expected: a checksum)`);
  }
  return problems;
}

/** As Node looks for it: beside the package, then in every folder above. */
function resolves(packages, path, name) {
  for (let folder = path; ; folder = folder.slice(0, folder.lastIndexOf('/node_modules/'))) {
    if (`${folder}/node_modules/${name}`.replace(/^\//, '') in packages) return true;
    if (!folder.includes('/node_modules/')) return `node_modules/${name}` in packages;
  }
}
