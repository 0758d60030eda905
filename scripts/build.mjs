// Builds dist/: the entries of package.json `exports` and the command, bundled into a few CommonJS files over shared
// chunks (bundle.mjs); the pages (pages.mjs); their types in one file (declarations.mjs); and a thin ES-module face of
// the main entry. It only re-exports, so a process that both imports and requires the package holds one copy of its
// state. The other entries are imported as they are: Node finds the names of a CommonJS file by reading it.
// Why: docs/decisions/0002-one-copy-of-the-state.md and docs/decisions/0045-what-ships.md.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { require as requireSource } from 'tsx/cjs/api';
import { bundle } from './bundle.mjs';
import { writeDeclarations } from './declarations.mjs';
import { licencesOf } from './licences.mjs';
import { buildPages } from './pages.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** JSON Schemas, which documents are checked against and editors read: package.json export, source, name there. */
const schemas = [
  ['./policy.schema.json', 'src/policy/policy-schema.ts', 'policySchema'],
  ['./rollout.schema.json', 'src/ops/rollout/rollout-schema.ts', 'rolloutSchema'],
  ['./waves.schema.json', 'src/ops/rollout/waves/waves-schema.ts', 'wavesSchema'],
  ['./controller.schema.json', 'src/ops/rollout/config/parse-controller-config.ts', 'controllerSchema'],
];

rmSync(join(root, 'dist'), { recursive: true, force: true });
const entries = entriesOf(manifest.exports);
const names = entries.map(({ name }) => name);
const modules = [...(await bundle(root, names)), ...(await buildPages(root))];
writeFileSync(join(root, 'dist', 'THIRD-PARTY-LICENSES.txt'), licencesOf(modules));
writeDeclarations(root, names);
for (const entry of entries) if (entry.face !== undefined) writeFace(entry.name, entry.face);
for (const schema of schemas) writeSchema(...schema);
for (const file of Object.values(manifest.bin)) chmodSync(join(root, file), 0o755);
verify();

/** Those of package.json `exports` that are code: `dist/NAME.js`, from `src/NAME.ts`. */
function entriesOf(targets) {
  return Object.values(targets)
    .map((target) => ({ script: (target.require ?? target).default, face: target.import }))
    .filter(({ script }) => script !== undefined)
    .map(({ script, face }) => ({ name: relative('dist', script).replace(/\.js$/, ''), face }));
}

function writeFace(name, { default: module, types }) {
  const source = `./${name}.js`;
  writeFileSync(join(root, module), `export {\n  ${exportedNames(name).join(',\n  ')},\n} from '${source}';\n`);
  writeFileSync(join(root, types), `export * from '${source}';\n`);
}

/** Asked in a process of its own: loading an entry may register things and keep this one alive. */
function exportedNames(name) {
  const program = `process.stdout.write(JSON.stringify(Object.keys(require('./dist/${name}.js'))), () => process.exit(0))`;
  return JSON.parse(evaluate(program)).sort();
}

function writeSchema(subpath, source, name) {
  const schema = requireSource(join(root, source), import.meta.url)[name];
  writeFileSync(join(root, manifest.exports[subpath]), `${JSON.stringify(schema)}\n`);
}

/** Loads every entry both ways: what Node cannot read in a CommonJS file is lost to who imports it. */
function verify() {
  for (const { name } of entries) {
    const specifier = JSON.stringify(name === 'index' ? manifest.name : `${manifest.name}/${name}`);
    const program = `
      const required = require(${specifier});
      import(${specifier}).then((imported) => {
        const differing = Object.keys(required).filter((name) => imported[name] !== required[name]);
        process.stdout.write(JSON.stringify(differing), () => process.exit(0));
      });`;
    const differing = JSON.parse(evaluate(program));
    if (!isDeepStrictEqual(differing, [])) fail(`${name}: not the same as required: ${differing.join(', ')}`);
  }
  for (const file of [...shippedFiles(manifest.exports), ...shippedFiles(manifest.bin)]) {
    if (!existsSync(join(root, file))) fail(`package.json: ${file} (expected: a file that the build makes)`);
  }
}

function shippedFiles(target) {
  return typeof target === 'string' ? [target] : Object.values(target).flatMap(shippedFiles);
}

function evaluate(program) {
  return execFileSync(process.execPath, ['-e', program], { cwd: root, encoding: 'utf8' });
}

function fail(message) {
  console.error(`build: ${message}`);
  process.exit(1);
}
