// Writes the types of every entry into dist/: one file, types.d.ts, declares all of them, and NAME.d.ts names those of
// its entry. So a type is one type, whichever entry it is taken from. Members marked @internal are left out.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

/** `names`: the entries, `src/NAME.ts` each. */
export function writeDeclarations(root, names) {
  const emitted = join(root, '.cache', 'declarations');
  rmSync(emitted, { recursive: true, force: true });
  compile(root, emitted);
  const all = join(emitted, 'types.d.ts');
  writeFileSync(all, names.map((name) => `export * from './${name}';\n`).join(''));
  rollUp(root, all, join(root, 'dist', 'types.d.ts'));
  for (const name of names) {
    const text = readFileSync(join(emitted, `${name}.d.ts`), 'utf8');
    writeFileSync(join(root, 'dist', `${name}.d.ts`), text.replaceAll(/ from '\.\/[^']+'/g, " from './types'"));
  }
}

function compile(root, folder) {
  const require = createRequire(import.meta.url);
  const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  try {
    const args = [compiler, '-p', join(root, 'tsconfig.build.json'), '--outDir', folder];
    execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  } catch (error) {
    // The compiler writes its findings to standard output.
    process.stderr.write(error.stdout ?? '');
    throw new Error(`build: the compiler ended with ${error.status ?? error.signal}`, { cause: error });
  }
}

function rollUp(root, entry, file) {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, 'package.json'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: entry,
      newlineKind: 'lf',
      compiler: { overrideTsconfig: extractorTsconfig('.cache/declarations') },
      apiReport: { enabled: false },
      docModel: { enabled: false },
      dtsRollup: { enabled: true, untrimmedFilePath: file },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: 'error' } },
        extractorMessageReporting: { default: { logLevel: 'none' } },
        tsdocMessageReporting: { default: { logLevel: 'none' } },
      },
    },
  });
  const { succeeded } = Extractor.invoke(config, { localBuild: true, messageCallback: quiet });
  if (!succeeded) throw new Error(`build: ${file} could not be written`);
}

/** The compiler that api-extractor brings is older than ours, and it says so each time: not worth a line. */
export function quiet(message) {
  const isChatter = message.logLevel === 'verbose' || message.logLevel === 'info';
  if (isChatter || message.messageId === 'console-compiler-version-notice') message.handled = true;
}

export function extractorTsconfig(folder) {
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
    include: [folder],
  };
}
