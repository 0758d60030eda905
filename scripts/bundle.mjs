// Bundles the entries and the command into dist/, as CommonJS over shared chunks. What is in `dependencies` and
// `peerDependencies` stays outside; other packages go inside.
import { readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, relative, sep } from 'node:path';
import { RolldownMagicString, rolldown } from 'rolldown';
import { minifySync } from 'rolldown/experimental';

/**
 * What most processes never need, or not at their start: each a chunk that is loaded when it is first used. The source
 * imports these modules like any others; `loadLate` makes the difference. Nothing of them may run while an entry is
 * loaded, and no call may pass through an import of them. Why: docs/decisions/0045-what-ships.md.
 */
const LATE = {
  /** The breaker of a subset, and opossum with it: made when such a subset gets its first call. */
  breaker: /^src\/client\/breaker\/circuit\.ts/,
  /** Copies of calls: made when the first call comes whose route has a mirror. */
  mirror: /^src\/client\/(grpc\/mirror|balancer\/copies)\//,
  /** What operators look at: inspection, explanation, metrics; and what a rollout counts. */
  observation:
    /^src\/client\/(admin\/|rollout-metrics\/|telemetry\/(instruments|meter-hub|observe|observe-service)\.ts)/,
  /** What few policies hold: filters, CIDR, versions, guards, config entries of Consul; and the words of a bad document. */
  rules:
    /^(src\/(client\/breaker\/guard\/(subset-guard|rolling-counts)|policy\/(chain\/|envoy-retries|filter\/|matchers\/(cidr|version)|synonyms))|node_modules\/@noble\/hashes\/)/,
  /** Documents in YAML: those in JSON and in code do without. */
  yaml: /^(src\/base\/yaml|node_modules\/js-yaml\/)/,
  /** What serves the pages: loaded with the first `adminHandler()`. */
  pages: /^src\/base\/web\//,
  /** What is not Consul's: instances and policies in code and files, what is kept in the state directory. */
  local:
    /^src\/(client\/(discovery\/(file|host\/|listed-services|state-store|static)|state\/(stored-state|policy-sources\/file))|consul\/host-place|policy\/parse-yaml)/,
};

/** What the rules need of others: loaded with them. */
const PACKAGES = /^node_modules\/(compare-versions|ipaddr\.js)\//;

/** Chunks of the command, and those that hold packages alone. */
const OF_COMMAND = /\bc(li|ommands?)\b/;
const OF_PACKAGES = /\b(late-yaml|packages)\b/;

/** `names`: the entries, `src/NAME.ts` each. Gives the modules that went inside. */
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
        renderChunk: loadLate,
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
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ debugName: 'rooms', name: (id) => chunks.get(id) }],
    },
  });
  for (const { type, fileName } of output)
    if (type === 'chunk' && (OF_COMMAND.test(fileName) || OF_PACKAGES.test(fileName))) shorten(fileName);
  return output.flatMap((chunk) => chunk.moduleIds ?? []);

  /**
   * Traces of the command and of packages are for their authors, who have the sources: no blanks. The command's names
   * stay, for what a bug report says.
   */
  function shorten(fileName) {
    const names = OF_COMMAND.test(fileName);
    const file = join(root, 'dist', fileName);
    const { code: short, errors } = minifySync(fileName, readFileSync(file, 'utf8'), {
      module: false,
      compress: { target: 'es2022', keepNames: { function: names, class: names } },
      mangle: { toplevel: true, keepNames: names },
      codegen: { removeWhitespace: true },
    });
    if (errors.length > 0) throw new Error(`bundle: ${fileName}: ${errors[0].message}`);
    writeFileSync(file, short);
  }
}

/**
 * One chunk for each room, of what a service loads of it, so that an entry loads no more than it needs. Apart from the
 * others are what is loaded late; what only simulation and tests use; of the client, the parts that the command takes
 * from it; of the command, what it starts with and the parts that need a peer (grpc-js, OpenTelemetry). So
 * `graylane --help` starts with a fifth of the code. Modules without a chunk stay with their entry.
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
  const loadedByEntries = (...names) =>
    new Set(names.flatMap((name) => [...loadedWith(join(root, 'src', `${name}.ts`))]));
  const ofService = loadedByEntries('index', 'server');
  const ofTrials = loadedByEntries('simulate', 'testing');
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
    const late = Object.keys(LATE).find((name) => LATE[name].test(file));
    if (late !== undefined) return `late-${late}`;
    if (PACKAGES.test(file)) return 'packages';
    if (/^src\/(client\/testing\/|\w+\.ts$)/.test(file)) return undefined;
    // A few kB, whichever of them an entry needs.
    if (file.startsWith('src/client/frameworks/')) return 'frameworks';
    const room = roomOf(id, file);
    if (room === 'client' && ofService.has(id)) return ofCommand.has(id) ? 'client-parts' : 'client';
    if (room !== undefined && ofService.has(id)) return room;
    if (ofTrials.has(id)) return 'simulation';
    if (room === undefined && (!isCommand(id) || id === command)) return undefined;
    if (loadedWith(command).has(id)) return 'command';
    return needsPeer(id) ? 'commands-live' : 'commands';
  };
  for (const [id, file] of files) {
    const chunk = chunkOf(id, file);
    if (chunk !== undefined) chunks.set(id, chunk);
  }
}

/**
 * Turns `const require_x = require("./late-x.js")` into a function that loads the chunk when it is first called, and
 * calls it at each use.
 */
function loadLate(code) {
  const names = [...code.matchAll(/^const (\w+) = require\("[./\w-]*\/late-\w+\.js"\);$/gm)].map(([, name]) => name);
  if (names.length === 0) return null;
  const text = new RolldownMagicString(code);
  // The parentheses around the call are for `new (require_x()).Class()`.
  text.replaceRegex(new RegExp(`\\b(${names.join('|')})\\.`, 'g'), '($1()).');
  text.replaceRegex(new RegExp(`^const (${names.join('|')}) = (require\\(.+\\));$`, 'gm'), 'const $1 = () => $2;');
  return { code: text.toString(), map: text.generateMap({ hires: true }).toString() };
}
