// Compares the public types of every entry with docs/api/<entry>.api.md, so that no change to them goes unseen, and
// refuses a public member without a doc comment. The report of the main entry also holds the types that its names lead
// to: a reader of a result meets them. `--local` writes the reports instead.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { extractorTsconfig, quiet } from './declarations.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const DECLARATION = /^(?:export )?(?:declare )?(?:abstract )?(?:interface|class|type|const|function) (\w+)/;
const local = process.argv.includes('--local');
const reportFolder = join(root, 'docs', 'api');
const temporary = join(root, '.cache', 'api');
for (const folder of [reportFolder, temporary]) mkdirSync(folder, { recursive: true });

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
}
const undocumented = findUndocumented();
for (const name of undocumented) console.error(`${name}: no doc comment (expected: one, as a user meets it)`);
if (differing.length > 0 || undocumented.length > 0) process.exit(1);
console.log(`${entries.length} API reports ${local ? 'written' : 'match'}, every member documented`);

function report({ name, types }) {
  return extract(
    types,
    { reportFileName: `${name}.api.md`, reportFolder, includeForgottenExports: name === 'index' },
    local,
  );
}

function extract(types, files, isLocal) {
  if (!existsSync(types)) throw new Error(`${types}: missing (expected: npm run build before)`);
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, 'package.json'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: types,
      newlineKind: 'lf',
      compiler: { overrideTsconfig: extractorTsconfig('dist') },
      apiReport: {
        enabled: true,
        ...files,
        reportTempFolder: join(temporary, 'differing'),
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
          // An entry names the roots of results; see docs/decisions/0045-what-ships.md.
          'ae-forgotten-export': { logLevel: 'none' },
        },
        // Biome and review look after prose; a doc comment is no reason to refuse a release.
        tsdocMessageReporting: { default: { logLevel: 'none' } },
      },
    },
  });
  return Extractor.invoke(config, { localBuild: isLocal, messageCallback: quiet }).succeeded;
}

/** `Registration.state`, for each member of whatever entry, and of the types that their names lead to. */
function findUndocumented() {
  const files = { reportFileName: 'all.api.md', reportFolder: temporary, includeForgottenExports: true };
  extract(join(root, 'dist', 'types.d.ts'), files, true);
  let declared = '';
  const lines = readFileSync(join(temporary, files.reportFileName), 'utf8').split('\n');
  return lines.flatMap((line, index) => {
    declared = DECLARATION.exec(line)?.[1] ?? declared;
    if (!line.includes('(undocumented)')) return [];
    const next = lines[index + 1] ?? '';
    const member = /^\s+(?:readonly |static |get |set )*([\w[\].]+)/.exec(next)?.[1];
    return [member === undefined ? (DECLARATION.exec(next)?.[1] ?? next) : `${declared}.${member}`];
  });
}
