// Bundles the entries and the command into dist/, as CommonJS over shared chunks. What is in `dependencies` and
// `peerDependencies` stays outside; other packages go inside, and their licences into dist/THIRD-PARTY-LICENSES.txt.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, relative, sep } from 'node:path';
import { rolldown } from 'rolldown';

/** `names`: the entries, `src/NAME.ts` each. */
export async function bundle(root, names) {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const outside = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  const command = join(root, 'src', 'cli', 'main.ts');
  const chunks = new Map();
  const build = await rolldown({
    cwd: root,
    input: { ...Object.fromEntries(names.map((name) => [name, join(root, 'src', `${name}.ts`)])), cli: command },
    platform: 'node',
    tsconfig: join(root, 'tsconfig.base.json'),
    transform: { target: 'es2022' },
    external: (id) => isBuiltin(id) || outside.some((name) => id === name || id.startsWith(`${name}/`)),
    // What the groups below ask for; the build compares what each entry exports with its names.
    preserveEntrySignatures: 'allow-extension',
    plugins: [
      {
        name: 'rooms',
        buildEnd() {
          assignChunks(this, root, command, Object.keys(manifest.peerDependencies), chunks);
        },
      },
    ],
    onLog(level, log) {
      // Parts of the command load each other late. Where both are in one chunk, that gains nothing.
      if (level === 'warn' && log.code !== 'INEFFECTIVE_DYNAMIC_IMPORT') throw new Error(`bundle: ${log.message}`);
    },
  });
  const { output } = await build.write({
    dir: join(root, 'dist'),
    format: 'cjs',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
    // Comments are in the declarations and in the repository.
    comments: { legal: true, annotation: false, jsdoc: false },
    // Traces need names and lines. The sources themselves would be two thirds of the package.
    sourcemap: true,
    sourcemapExcludeSources: true,
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ debugName: 'rooms', name: (id) => chunks.get(id) }],
    },
  });
  for (const { type, fileName } of output)
    if (type === 'chunk' && /\bc(li|ommands?)\b/.test(fileName)) dropMap(fileName);
  const ids = output.flatMap((chunk) => chunk.moduleIds ?? []);
  writeFileSync(join(root, 'dist', 'THIRD-PARTY-LICENSES.txt'), licencesOf(ids));

  /** The command's traces are for its authors, who have the sources: a sixth of the package saved. */
  function dropMap(fileName) {
    const file = join(root, 'dist', fileName);
    rmSync(`${file}.map`);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n'));
  }
}

/**
 * One chunk for each room, so that an entry loads no more than it needs. Apart from the others are, of the client, the
 * parts that the command takes from it; of the command, what it starts with and the parts that need a peer (grpc-js,
 * OpenTelemetry). So `graylane --help` starts with a fifth of the code. Modules without a chunk stay with their entry.
 */
function assignChunks(graph, root, command, peers, chunks) {
  const files = new Map();
  for (const id of graph.getModuleIds()) files.set(id, relative(root, id).split(sep).join('/'));
  const loads = new Map();
  /** The modules that are loaded with `id`, itself included. */
  const loadedWith = (id) => {
    let modules = loads.get(id);
    if (modules === undefined) {
      modules = new Set([id]);
      loads.set(id, modules);
      // What is added to a set while it is iterated has its turn too.
      for (const module of modules)
        for (const next of graph.getModuleInfo(module)?.importedIds ?? []) modules.add(next);
    }
    return modules;
  };
  const isCommand = (id) => /^(src\/(cli|ops)|node_modules)\//.test(files.get(id) ?? '');
  const needsPeer = (id) => peers.some((peer) => loadedWith(id).has(peer));
  const ofCommand = new Set(
    [...files.keys()].filter((id) => isCommand(id) && !needsPeer(id)).flatMap((id) => [...loadedWith(id)]),
  );
  /** A package that goes inside stays with the room that loads it. */
  const roomOf = (id, file) => {
    const room = /^src\/(base|consul|policy|client)\//.exec(file)?.[1];
    if (room !== undefined || !file.includes('node_modules/')) return room;
    return ['base', 'policy', 'consul', 'client'].find((one) =>
      [...files].some(([user, path]) => path.startsWith(`src/${one}/`) && loadedWith(user).has(id)),
    );
  };
  const chunkOf = (id, file) => {
    if (file.startsWith('src/client/testing/')) return undefined;
    const room = roomOf(id, file);
    if (room !== undefined && room !== 'client') return room;
    if (room === 'client') return ofCommand.has(id) ? 'client-parts' : 'client';
    if (file.startsWith('src/ops/simulation/')) return 'simulation';
    if (!isCommand(id) || id === command) return undefined;
    if (loadedWith(command).has(id)) return 'command';
    return needsPeer(id) ? 'commands-live' : 'commands';
  };
  for (const [id, file] of files) {
    const chunk = chunkOf(id, file);
    if (chunk !== undefined) chunks.set(id, chunk);
  }
}

/** The licences of the packages that the modules `ids` come from. */
function licencesOf(ids) {
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
