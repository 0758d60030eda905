import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { repository } from './repository';

const modules = (source: string): readonly string[] => [
  `import { a } from '${source}';`,
  `import type { b } from '${source}';`,
  `import * as d from '${source}';`,
  `import '${source}';`,
  `export * from '${source}';`,
  `export type { e } from '${source}';`,
  `const f = import('${source}');`,
];

const ADAPTER_ONLY: readonly string[] = [
  ...modules('@grpc/grpc-js/build/src/subchannel'),
  `import { experimental } from '@grpc/grpc-js';`,
  `import { experimental as a } from '@grpc/grpc-js';`,
  `import { type experimental } from '@grpc/grpc-js';`,
  `import { status, type experimental as b } from '@grpc/grpc-js';`,
  `export { experimental } from '@grpc/grpc-js';`,
  `export { experimental as c } from '@grpc/grpc-js';`,
  `const { experimental } = grpc;`,
  `const { experimental: d } = grpc;`,
  `const { experimental: { e } } = grpc;`,
  `grpc.experimental.registerResolver();`,
  `grpc['experimental'].registerResolver();`,
  `type F = grpc.experimental.Resolver;`,
];

const FOR_ALL: readonly string[] = [
  `import { Metadata, status } from '@grpc/grpc-js';`,
  `import type * as grpc from '@grpc/grpc-js';`,
];

it('only the adapter of grpc-js may touch what grpc-js promises nothing about', () => {
  const project = mkdtempSync(join(tmpdir(), 'graylane-adapter-'));
  onTestFinished(() => rmSync(project, { recursive: true }));
  for (const kept of ['biome.json', '.gitignore', 'scripts/lint']) {
    cpSync(join(repository, kept), join(project, kept), { recursive: true });
  }
  const lines = [...ADAPTER_ONLY, ...FOR_ALL];
  for (const file of ['src/client/grpc/grpc-js.ts', 'src/client/balancer/probe.ts']) {
    mkdirSync(dirname(join(project, file)), { recursive: true });
    writeFileSync(join(project, file), lines.map((line) => `${line}\n`).join(''));
  }
  const refused = findingsIn(project).map(({ path, start }) => `${path}: ${lines[start.line - 1]}`);
  expect([...new Set(refused)].sort()).toEqual(
    ADAPTER_ONLY.map((line) => `src/client/balancer/probe.ts: ${line}`).sort(),
  );
});

interface Finding {
  readonly path: string;
  readonly start: { readonly line: number };
}

/** Where the rules of this project's own object. */
function findingsIn(project: string): readonly Finding[] {
  const biome = join(repository, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const args = [biome, 'lint', '--reporter=json', '--max-diagnostics=none', '.'];
  const { stdout } = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8' });
  const report = JSON.parse(stdout) as {
    readonly diagnostics: readonly { readonly category: string; readonly location: Finding }[];
  };
  return report.diagnostics.filter(({ category }) => category === 'plugin').map(({ location }) => location);
}
