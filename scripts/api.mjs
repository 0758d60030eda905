// Compares the public types of every entry with docs/api/<entry>.api.md, so that no change to them goes unseen.
// A type that a public one names must be public too, at its own entry or at the main one. `--local` writes the reports instead.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const local = process.argv.includes('--local');
const reportFolder = join(root, 'docs', 'api');
mkdirSync(reportFolder, { recursive: true });

const entries = Object.entries(manifest.exports)
  .filter(([, target]) => target.require?.types !== undefined)
  .map(([subpath, target]) => ({
    name: subpath === '.' ? 'index' : subpath.slice(2).replaceAll('/', '-'),
    types: join(root, target.require.types),
  }));

const differing = entries.filter((entry) => !report(entry));
if (differing.length > 0) {
  const names = differing.map((entry) => `docs/api/${entry.name}.api.md`).join(', ');
  console.error(`${names}: not what the build declares (expected: the same; look at it, then npm run api -- --local)`);
  process.exit(1);
}
console.log(`${entries.length} API reports ${local ? 'written' : 'match'}`);

function report({ name, types }) {
  if (!existsSync(types)) throw new Error(`${types}: missing (expected: npm run build before)`);
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, 'package.json'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: types,
      newlineKind: 'lf',
      compiler: { overrideTsconfig: compilerOptions() },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder,
        reportTempFolder: join(root, '.cache', 'api'),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: 'error' } },
        extractorMessageReporting: {
          default: { logLevel: 'warning', addToApiReportFile: true },
          // No stage tags are used: everything exported is public.
          'ae-missing-release-tag': { logLevel: 'none' },
          // The report marks these itself; as messages they carry line numbers, which move with every edit.
          'ae-undocumented': { logLevel: 'none' },
          'ae-forgotten-export': { logLevel: 'warning' },
        },
        // Biome and review look after prose; a doc comment is no reason to refuse a release.
        tsdocMessageReporting: { default: { logLevel: 'none' } },
      },
    },
  });
  const messageCallback = name === 'index' ? quiet : quietAboutMain;
  return Extractor.invoke(config, { localBuild: local, messageCallback }).succeeded;
}

function compilerOptions() {
  return {
    compilerOptions: {
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      module: 'nodenext',
      moduleResolution: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      types: ['node'],
    },
    include: ['dist'],
  };
}

/** The bundled compiler is older than ours, and reports say so once per entry: not worth a line. */
function quiet(message) {
  if (message.logLevel === 'verbose' || message.messageId === 'console-compiler-version-notice') message.handled = true;
  if (message.logLevel === 'info') message.handled = true;
}

/** Who uses another entry has the main one at hand: what that exports need not be exported twice. */
function quietAboutMain(message) {
  quiet(message);
  const forgotten = message.messageId === 'ae-forgotten-export' && /"(\w+)"/.exec(message.text)?.[1];
  if (forgotten && isExportedByMain(forgotten)) message.logLevel = 'none';
}

function isExportedByMain(name) {
  const text = readFileSync(join(reportFolder, 'index.api.md'), 'utf8');
  return new RegExp(`^export (declare )?(type|interface|class|function|const) ${name}\\b`, 'm').test(text);
}
