// Builds the pages (src/console) into dist/console: one script for each page over shared chunks, and one style sheet.
// Each is kept gzip-compressed only, which is how they are served. `node scripts/pages.mjs` builds them alone.
// Why: docs/decisions/0061-the-pages.md.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

/** What several pages share, by chunk. A module that matches none goes with the page that loads it. */
const CHUNKS = {
  editor:
    /(^src\/console\/editor\/|^src\/(policy|ops\/rollout)\/([\w-]+\/)?[\w-]*schema|node_modules\/(@codemirror|@lezer|@marijn|style-mod|crelt|w3c-keyname)\/)/,
  kit: /(^src\/console\/kit\/|node_modules\/(preact|uplot)\/)/,
};

/** Gives the modules that went inside. */
export async function buildPages(root) {
  const source = join(root, 'src', 'console');
  const target = join(root, 'dist', 'console');
  const folders = readdirSync(source).filter((name) => existsSync(join(source, name, 'main.tsx')));
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const pages = Object.fromEntries(folders.map((name) => [name, join(source, name, 'main.tsx')]));
  const chunkOf = (id) => {
    const file = relative(root, id).split(sep).join('/');
    return Object.keys(CHUNKS).find((name) => CHUNKS[name].test(file));
  };
  const built = [await bundle(root, pages, { groups: [{ debugName: 'kit', name: chunkOf }] })];
  // What a page computes beside itself: a file of its own, since it shares nothing with what is seen.
  const workers = folders.filter((name) => existsSync(join(source, name, 'worker.ts')));
  for (const name of workers)
    built.push(await bundle(root, { [`${name}-worker`]: join(source, name, 'worker.ts') }, false));
  const output = built.flat();
  for (const { fileName, code } of output) writeCompressed(join(target, fileName), code);
  writeCompressed(join(target, 'style.css'), styles(root, source));
  return output.flatMap((chunk) => chunk.moduleIds ?? []);
}

async function bundle(root, input, codeSplitting) {
  const build = await rolldown({
    cwd: root,
    input,
    platform: 'browser',
    // The breakers, which the playground runs, stand on Node's event emitter.
    resolve: { alias: { 'node:events': join(root, 'node_modules', 'events', 'events.js') } },
    tsconfig: false,
    transform: { target: 'es2022', jsx: { runtime: 'automatic', importSource: 'preact' } },
    // The package is one of CommonJS: a module that exports nothing would be taken for such, and everything wrapped.
    plugins: [
      { name: 'modules', transform: (code, id) => (/(main\.tsx|worker\.ts)$/.test(id) ? `${code}\nexport {};` : null) },
    ],
    onLog(level, log) {
      if (level === 'warn') throw new Error(`pages: ${log.message}`);
    },
  });
  const { output } = await build.generate({
    format: 'esm',
    minify: true,
    // Licences are in dist/THIRD-PARTY-LICENSES.txt.
    comments: { legal: false, annotation: false, jsdoc: false },
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    codeSplitting,
  });
  await build.close();
  return output;
}

function writeCompressed(file, text) {
  writeFileSync(`${file}.gz`, gzipSync(text, { level: constants.Z_BEST_COMPRESSION }));
}

/** The kit's styles first, which pages add to. */
function styles(root, source) {
  const folders = readdirSync(source, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const names = folders.map(({ name }) => name).sort((a, b) => Number(b === 'kit') - Number(a === 'kit'));
  const files = names.flatMap((name) => {
    const sheets = readdirSync(join(source, name)).filter((file) => file.endsWith('.css'));
    return sheets.sort().map((file) => join(source, name, file));
  });
  const all = [join(root, 'node_modules', 'uplot', 'dist', 'uPlot.min.css'), ...files];
  return all.map((file) => shorter(readFileSync(file, 'utf8'))).join('\n');
}

function shorter(css) {
  return css
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\s*\n\s*/g, '\n')
    .trim();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildPages(join(import.meta.dirname, '..'));
