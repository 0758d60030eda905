// Builds dist/: CommonJS by the compiler, then a thin ES-module face over it. The face only re-exports, so a process that
// both imports and requires the package still holds one copy of its state (docs/decisions/0002-one-copy-of-the-state.md).
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const require = createRequire(import.meta.url);

/** Files that ship as they are: source, and the package.json export that offers them. */
const copied = [
  ['src/policy/policy.schema.json', './policy.schema.json'],
  ['src/ops/rollout/rollout.schema.json', './rollout.schema.json'],
  ['src/ops/rollout/config/controller.schema.json', './controller.schema.json'],
];

rmSync(join(root, 'dist'), { recursive: true, force: true });
compile();
for (const face of faces()) writeFace(face);
for (const [source, subpath] of copied) copy(source, subpath);
for (const file of binaries()) chmodSync(file, 0o755);
verify();

function compile() {
  const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  // Sources go inside the maps: src/ itself is not shipped.
  run(compiler, ['-p', join(root, 'tsconfig.build.json'), '--inlineSources']);
}

/** The entries of package.json `exports` that have both an ES-module and a CommonJS file. */
function faces() {
  return Object.values(manifest.exports)
    .filter((target) => target.import !== undefined && target.require !== undefined)
    .map((target) => ({
      script: join(root, target.require.default),
      types: join(root, target.require.types),
      module: join(root, target.import.default),
      moduleTypes: join(root, target.import.types),
    }));
}

function writeFace({ script, module, moduleTypes }) {
  const names = exportedNames(script);
  const source = `./${relative(dirname(module), script)}`;
  const exported =
    names.length === 0 ? `import '${source}';` : `export {\n  ${names.join(',\n  ')},\n} from '${source}';`;
  writeFileSync(module, `${exported}\n`);
  writeFileSync(moduleTypes, `export * from '${source}';\n`);
}

/** Asked in a process of its own: loading an entry may register things and keep this one alive. */
function exportedNames(script) {
  const program = `process.stdout.write(JSON.stringify(Object.keys(require(${JSON.stringify(script)}))), () => process.exit(0))`;
  return JSON.parse(run('-e', [program])).sort();
}

function copy(source, subpath) {
  const target = manifest.exports[subpath];
  if (existsSync(join(root, source)) !== (target !== undefined)) {
    fail(`package.json exports["${subpath}"]: ${target} (expected: there exactly when ${source} is)`);
  }
  if (target === undefined) return;
  mkdirSync(dirname(join(root, target)), { recursive: true });
  copyFileSync(join(root, source), join(root, target));
}

function binaries() {
  return Object.values(manifest.bin ?? {}).map((file) => join(root, file));
}

/** Loads every entry both ways: Node finds the names of a CommonJS file by reading it, and what it cannot read is lost. */
function verify() {
  for (const { script, module } of faces()) {
    const program = `
      const required = require(${JSON.stringify(script)});
      import(${JSON.stringify(pathToFileURL(module).href)}).then((imported) => {
        const differing = Object.keys(required).filter((name) => imported[name] !== required[name]);
        process.stdout.write(JSON.stringify(differing), () => process.exit(0));
      });`;
    const differing = JSON.parse(run('-e', [program]));
    if (!isDeepStrictEqual(differing, []))
      fail(`${relative(root, module)}: not the same as required: ${differing.join(', ')}`);
  }
  for (const file of shippedFiles(manifest.exports)) {
    if (!existsSync(join(root, file))) fail(`package.json exports: ${file} (expected: a file that the build makes)`);
  }
}

function shippedFiles(target) {
  return typeof target === 'string' ? [target] : Object.values(target).flatMap(shippedFiles);
}

function run(script, args) {
  try {
    return execFileSync(process.execPath, [script, ...args], { cwd: root, encoding: 'utf8' });
  } catch (error) {
    // The compiler writes its findings to standard output.
    process.stderr.write(error.stdout ?? '');
    return fail(`${script} ended with ${error.status ?? error.signal}`);
  }
}

function fail(message) {
  console.error(`build: ${message}`);
  return process.exit(1);
}
