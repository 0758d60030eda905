import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isLong } from '../../support/slice';
import { npm, pack, run } from './pack';
import { repository } from './repository';

interface Loaded {
  readonly done: readonly string[];
  readonly names: readonly string[];
  readonly testing: readonly string[];
}

const installQuietly = [
  '--no-save',
  '--no-package-lock',
  '--no-audit',
  '--no-fund',
  '--prefer-offline',
  '--ignore-scripts',
];

describe('the tarball in a user’s project', () => {
  let project: string;
  const node = (script: string): string => run(process.execPath, [join(project, script)], project);

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'graylane-consumer-'));
    cpSync(join(__dirname, 'fixtures', 'consumer'), project, { recursive: true });
    npm(['install', ...installQuietly, pack(project)], project);
  }, 300_000);

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it('routes real calls when required and when imported, and offers the same names both ways', () => {
    const required = JSON.parse(node('required.cjs')) as Loaded;
    const imported = JSON.parse(node('imported.mjs')) as Loaded;
    expect(required.done).toEqual(['stable', 'canary', 'canary']);
    expect(imported.done).toEqual(required.done);
    expect(imported.names.toSorted()).toEqual(required.names.toSorted());
    expect(imported.testing.toSorted()).toEqual(required.testing.toSorted());
  });

  it('keeps one copy of its state when it is imported and required at once', () => {
    expect(JSON.parse(node('both.mjs'))).toEqual({
      differing: [],
      copies: 1,
      found: expect.stringContaining('several Graylane clients are open (register, imported)'),
    });
  });

  it('offers the schemas of policies, rollouts and controllers, imported and required', () => {
    const titles = ['Graylane policy', 'Graylane rollout', 'Graylane rollout controller'];
    expect(JSON.parse(node('schema.mjs'))).toEqual({ imported: titles, required: titles });
  });

  it('works in a default Jest project, and lets it end', () => {
    const jest = join(project, 'node_modules', '.bin', 'jest');
    run(jest, ['--ci', '--rootDir', project, '--testPathPatterns', 'graylane\\.test\\.js$'], project);
  });

  it('works under node:test', () => {
    run(process.execPath, ['--test', 'kit.node-test.cjs'], project);
  });

  it('does in the snippets of docs/testing.md what they say', () => {
    const page = readFileSync(join(repository, 'docs', 'testing.md'), 'utf8');
    const snippets = [...page.matchAll(/^```js\n(.*?)^```/gms)].map((match) => match[1] ?? '');
    expect(snippets).toHaveLength(4);
    const files = snippets.map((snippet, index) => {
      writeFileSync(join(project, `snippet-${index}.mjs`), snippet);
      return `snippet-${index}.mjs`;
    });
    expect(run(process.execPath, ['--test', '--test-reporter=tap', ...files], project)).toMatch(/^# pass 6$/m);
  });

  // Each version and each resolution once; all nine in npm run test:long.
  const versions = ['5.4', '5.9', '7'] as const;
  describe.each(versions)('under TypeScript %s', (version) => {
    const resolutions = [
      { module: 'nodenext', moduleResolution: 'nodenext', extensions: ['ts', 'mts', 'cts'] },
      { module: 'esnext', moduleResolution: 'bundler', extensions: ['ts', 'mts'] },
      { module: 'node16', moduleResolution: 'node16', extensions: ['ts', 'mts', 'cts'] },
    ];
    it.each(isLong ? resolutions : resolutions.filter((_, at) => at === versions.indexOf(version)))(
      'type-checks with module $module, resolution $moduleResolution',
      ({ extensions, ...options }) => {
        expect(ours(compile(version, extensions, { ...options, types: ['node'], skipLibCheck: false }))).toEqual([]);
      },
    );
  });

  it('needs no types of Node beyond those of grpc-js', () => {
    const types = join(project, 'node_modules', '@types', 'node');
    const aside = join(project, 'node-types-aside');
    renameSync(types, aside);
    try {
      const options = { module: 'nodenext', moduleResolution: 'nodenext', types: [], skipLibCheck: false };
      const complaints = compile('5.4', ['ts'], options);
      // What is missing by name is Node's own; a member that only newer libraries know would be our fault.
      expect(ours(complaints).filter((line) => !/TS(2307|2503|2580|2591)/.test(line))).toEqual([]);
      // Proof that the types were gone: grpc-js itself cannot do without.
      expect(complaints.join('\n')).toContain('node_modules/@grpc/grpc-js');
    } finally {
      renameSync(aside, types);
    }
  });

  /** Compiles the consumer under each extension and returns what the compiler had to say. */
  function compile(version: string, extensions: readonly string[], options: object): readonly string[] {
    const files = extensions.map((extension) => `consumer.${extension}`);
    for (const file of files) {
      if (!existsSync(join(project, file))) cpSync(join(project, 'consumer.ts'), join(project, file));
    }
    const compilerOptions = { target: 'es2022', lib: ['es2022'], strict: true, noEmit: true, ...options };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const compiler = join(project, 'node_modules', `typescript-${version}`, 'bin', 'tsc');
    try {
      run(process.execPath, [compiler, '-p', 'tsconfig.json', '--pretty', 'false'], project);
      return [];
    } catch (error) {
      return (error as Error).message.split('\n').slice(1);
    }
  }
});

/** Complaints about this package or its use. Those about the declarations of others are not ours to mend. */
function ours(complaints: readonly string[]): readonly string[] {
  const others = /^(node_modules\/(?!graylane\/)|\s|$)/;
  return complaints.filter((line) => !others.test(line));
}
