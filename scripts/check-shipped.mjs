// What reaches the users of the package: what npm installs with it, its peers, and the packages whose code is inside dist/
// (`npm run build` first). Each needs a licence that anybody may use, no install script, a checksum, and no known weakness.
// What does not hold has to be explained here.
//
// node scripts/check-shipped.mjs [--root FOLDER] [--advisories] [--audit FILE]
//   --advisories  fails when the registry does not tell its advisories; without it that is said, and no failure
//   --audit       a file with what `npm audit --json` says, in place of asking
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** Anybody may use, change and sell what is under these; they ask for their text, which THIRD-PARTY-LICENSES.txt holds. */
const LICENCES = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT']);

/** By package and kind of problem. One that explains nothing any more is a problem itself. */
const EXPLAINED = {
  'protobufjs: install script':
    'postinstall reads the package.json of its user and warns of a version range. It writes nothing, and all works without it (--ignore-scripts).',
};

const { values } = parseArgs({
  options: {
    root: { type: 'string', default: join(dirname(fileURLToPath(import.meta.url)), '..') },
    advisories: { type: 'boolean', default: false },
    audit: { type: 'string' },
  },
});

const { packages } = JSON.parse(read('package-lock.json'));
const shipped = [...installed(), ...bundled()];
const advisories = advisoriesOf(new Set(shipped.map(({ name }) => name)));
const found = [...shipped.flatMap(problemsOf), ...advisories.problems];
const unexplained = found.filter(({ key }) => !(key in EXPLAINED));
const stale = Object.keys(EXPLAINED).filter((key) => !found.some((problem) => problem.key === key));

for (const { key, text } of unexplained) console.error(`${key}: ${text}`);
for (const key of stale) console.error(`${key}: explained in scripts/check-shipped.mjs (expected: still so)`);
const names = new Set(shipped.map(({ name, version }) => `${name}@${version}`));
console.log(`${names.size} packages reach users; ${found.length - unexplained.length} explained; ${advisories.note}`);
process.exitCode = unexplained.length + stale.length === 0 && !advisories.isMissing ? 0 : 1;

function read(file) {
  return readFileSync(join(values.root, file), 'utf8');
}

/** With the peers, which users install for us. */
function installed() {
  return Object.entries(packages)
    .filter(([path, entry]) => path.includes('node_modules/') && entry.dev !== true && entry.devOptional !== true)
    .map(([path, entry]) => ({ name: nameOf(path), ...entry }));
}

function bundled() {
  const headings = read('dist/THIRD-PARTY-LICENSES.txt').matchAll(/^(\S+) (\d+\.\d+\.\d+\S*) \((.+)\)$/gm);
  return [...headings].map(([, name, version, license]) => {
    const locked = Object.entries(packages).find(([path, entry]) => nameOf(path) === name && entry.version === version);
    // What its install script does, stays with whoever bundles.
    return { name, version, license, isLocked: locked !== undefined, ...pick(locked?.[1]) };
  });
}

function pick(entry) {
  return { resolved: entry?.resolved, integrity: entry?.integrity, deprecated: entry?.deprecated };
}

function nameOf(path) {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

function problemsOf({ name, version, license, isLocked, hasInstallScript, integrity, resolved, deprecated }) {
  const problem = (kind, text) => ({ key: `${name}: ${kind}`, text: `${text}, in ${version}` });
  const problems = [];
  if (!isFree(license))
    problems.push(problem('licence', `${license ?? 'none'} (expected: ${[...LICENCES].join(', ')})`));
  if (hasInstallScript === true) problems.push(problem('install script', 'runs when it is installed (expected: none)'));
  if (isLocked === false) problems.push(problem('lock', 'is in dist/, and not in package-lock.json (expected: both)'));
  else if (integrity === undefined) problems.push(problem('checksum', 'absent (expected: one)'));
  if (/^(git|file|http:)/.test(resolved ?? '')) problems.push(problem('source', `${resolved} (expected: a registry)`));
  if (deprecated !== undefined) problems.push(problem('deprecated', `${deprecated} (expected: kept by somebody)`));
  return problems;
}

/** An SPDX expression: all of what is joined by AND, one of what is joined by OR. */
function isFree(license) {
  if (typeof license !== 'string') return false;
  const bare = license.replace(/^\((.*)\)$/, '$1');
  return bare.split(' OR ').some((choice) => choice.split(' AND ').every((one) => LICENCES.has(one.trim())));
}

function advisoriesOf(names) {
  const asked =
    values.audit === undefined ? spawnSync('npm', ['audit', '--json'], { cwd: values.root }).stdout : undefined;
  let report;
  try {
    report = JSON.parse(asked?.toString('utf8') ?? readFileSync(values.audit, 'utf8'));
  } catch {
    report = {};
  }
  if (report.vulnerabilities === undefined) {
    const why = report.message ?? report.error?.summary ?? 'no answer';
    return { problems: [], isMissing: values.advisories, note: `advisories not read: ${why.trim()}` };
  }
  const problems = Object.entries(report.vulnerabilities)
    .filter(([name]) => names.has(name))
    .flatMap(([name, { via, range }]) =>
      via.map((one) => {
        const told = typeof one === 'string' ? { url: `by ${one}`, title: 'uses what is weak' } : one;
        return { key: `${name}: ${told.url}`, text: `${told.title}, in ${range}` };
      }),
    );
  return { problems, isMissing: false, note: `${problems.length} known weaknesses` };
}
