import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repository } from './repository';

interface Case {
  readonly file: string;
  readonly line: string;
  readonly refused: boolean;
}

const rooms = [
  'policy',
  'discovery',
  'snapshot',
  'effect',
  'resolver',
  'channel',
  'routing',
  'balancer',
  'breaker',
  'propagation',
  'telemetry',
  'figures',
  'server',
  'rollout',
  'cli',
  'testing',
] as const;
type Room = (typeof rooms)[number];

/** The rooms that a room may look into, whole. What is missing here must be refused. */
const openTo: Readonly<Record<Room | 'internal' | 'policy/sources' | 'policy/store', readonly Room[]>> = {
  internal: [],
  policy: [],
  'policy/sources': ['policy'],
  'policy/store': ['policy'],
  discovery: [],
  snapshot: [],
  effect: ['policy', 'discovery', 'snapshot'],
  resolver: ['policy', 'discovery', 'snapshot', 'routing', 'balancer', 'breaker', 'telemetry'],
  channel: ['policy', 'resolver', 'routing', 'balancer', 'breaker', 'propagation', 'telemetry'],
  routing: ['policy'],
  balancer: ['snapshot', 'routing', 'breaker', 'telemetry'],
  breaker: ['policy'],
  propagation: ['policy', 'routing'],
  telemetry: ['policy', 'routing', 'breaker'],
  figures: ['discovery', 'balancer', 'breaker'],
  server: ['policy', 'discovery', 'propagation', 'telemetry'],
  rollout: ['policy', 'discovery', 'routing', 'telemetry', 'figures'],
  cli: rooms.filter((room) => room !== 'testing'),
  testing: rooms.filter((room) => room !== 'cli'),
};

const roomCases: readonly Case[] = Object.entries(openTo).flatMap(([folder, open]) => {
  const up = '../'.repeat(folder.split('/').length);
  const own = folder.split('/')[0];
  return rooms
    .filter((room) => room !== own)
    .flatMap((room) => [
      {
        file: `src/${folder}/probe.ts`,
        line: `export { x } from '${up}${room}/probe';`,
        refused: !open.includes(room),
      },
      {
        file: `src/${folder}/deeper/probe.ts`,
        line: `export { x } from '../${up}${room}/deeper/probe';`,
        refused: !open.includes(room),
      },
    ]);
});

const forms = (source: string): readonly string[] => [
  `import { a } from '${source}';`,
  `import type { b } from '${source}';`,
  `import { type c } from '${source}';`,
  `import * as d from '${source}';`,
  `import '${source}';`,
  `export * from '${source}';`,
  `export type { e } from '${source}';`,
  `const f = import('${source}');`,
  `const g = require('${source}');`,
  `type H = import('${source}').H;`,
];

const experimentalForms: readonly string[] = [
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

const cases: readonly Case[] = [
  ...roomCases,
  ...forms('../resolver/resolver').map((line) => ({ file: 'src/routing/forms.ts', line, refused: true })),
  ...forms('../discovery/source').map((line) => ({ file: 'src/telemetry/forms.ts', line, refused: true })),
  ...['plan', 'document'].map((file) => allowed('src/balancer/narrow.ts', `../policy/${file}`)),
  allowed('src/balancer/narrow.ts', '../discovery/source'),
  allowed('src/balancer/narrow.ts', '../snapshot/snapshot'),
  allowed('src/balancer/pickers/narrow.ts', '../../discovery/source'),
  allowed('src/snapshot/narrow.ts', '../policy/plan'),
  allowed('src/snapshot/narrow.ts', '../discovery/source'),
  refused('src/snapshot/narrow.ts', '../policy/compile'),
  refused('src/snapshot/narrow.ts', '../discovery/consul/source'),
  refused('src/balancer/narrow.ts', '../discovery/consul/loop'),
  refused('src/balancer/narrow.ts', '../resolver/resolver'),
  refused('src/balancer/narrow.ts', '../policy/compile'),
  allowed('src/policy/sources/kv.ts', '../../discovery/consul/loop'),
  refused('src/policy/sources/kv.ts', '../../discovery/static'),
  allowed('src/policy/store/policy-store.ts', '../../discovery/consul/client'),
  refused('src/policy/compile.ts', '../discovery/consul/loop'),
  ...['../graylane', '../index', '../register', '..', 'graylane', 'graylane/testing'].map((source) =>
    refused('src/channel/root.ts', source),
  ),
  refused('src/discovery/consul/root.ts', '../../graylane'),
  refused('src/errors.ts', './graylane'),
  ...forms('../graylane').map((line) => ({ file: 'src/channel/root.ts', line, refused: true })),
  allowed('src/index.ts', './graylane'),
  allowed('src/register.ts', './graylane'),
  allowed('src/testing/lane.ts', '../graylane'),
  allowed('src/cli/main.ts', '../graylane'),
  ...forms('@grpc/grpc-js/build/src/subchannel').map((line) => ({ file: 'src/balancer/grpc.ts', line, refused: true })),
  ...experimentalForms.map((line) => ({ file: 'src/balancer/grpc.ts', line, refused: true })),
  ...experimentalForms.map((line) => ({ file: 'src/internal/grpc.ts', line, refused: false })),
  allowed('src/internal/grpc.ts', '@grpc/grpc-js/build/src/subchannel'),
  { file: 'src/balancer/public.ts', line: `import { Metadata, status } from '@grpc/grpc-js';`, refused: false },
  { file: 'src/balancer/public.ts', line: `import type * as grpc from '@grpc/grpc-js';`, refused: false },
];

function allowed(file: string, source: string): Case {
  return { file, line: `export { x } from '${source}';`, refused: false };
}

function refused(file: string, source: string): Case {
  return { ...allowed(file, source), refused: true };
}

const probesByFile: ReadonlyMap<string, readonly Case[]> = groupByFile(cases);

describe('walls between rooms', () => {
  let project: string;
  let findings: ReadonlySet<string>;

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'graylane-walls-'));
    for (const kept of ['biome.json', '.gitignore', 'scripts/lint']) {
      cpSync(join(repository, kept), join(project, kept), { recursive: true });
    }
    for (const [file, probes] of probesByFile) {
      mkdirSync(dirname(join(project, file)), { recursive: true });
      writeFileSync(join(project, file), probes.map((probe) => `${probe.line}\n`).join(''));
    }
    findings = lint(project);
  });

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it.each([...probesByFile])('%s: refuses what reaches over a wall, and nothing else', (file, probes) => {
    const refusedLines = probes.filter((_, index) => findings.has(`${file}:${index + 1}`)).map((probe) => probe.line);
    expect(refusedLines).toEqual(probes.filter((probe) => probe.refused).map((probe) => probe.line));
  });

  it('has no folder index behind which an import could hide', () => {
    const indexes = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' })
      .map((file) => file.replaceAll('\\', '/'))
      .filter((file) => /(^|\/)index\.ts$/.test(file));
    expect(indexes.sort()).toEqual(['index.ts', 'testing/index.ts']);
  });

  it('names no room that has moved away', () => {
    const folders = readdirSync(join(repository, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    expect([...rooms, 'internal']).toEqual(expect.arrayContaining(folders));
  });
});

function groupByFile(probes: readonly Case[]): ReadonlyMap<string, readonly Case[]> {
  const groups = new Map<string, Case[]>();
  for (const probe of probes) groups.set(probe.file, [...(groups.get(probe.file) ?? []), probe]);
  return groups;
}

/** `file:line` of every finding of the rules that hold the walls. */
function lint(project: string): ReadonlySet<string> {
  const biome = join(repository, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  let report: string;
  try {
    const args = [biome, 'lint', '--reporter=json', '--max-diagnostics=none', '.'];
    report = execFileSync(process.execPath, args, {
      cwd: project,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch (error) {
    report = (error as { stdout: string }).stdout;
  }
  const { diagnostics } = JSON.parse(report) as { diagnostics: readonly Diagnostic[] };
  const walls = ['plugin', 'lint/style/noRestrictedImports', 'lint/style/noCommonJs'];
  return new Set(
    diagnostics
      .filter((found) => walls.includes(found.category))
      .map((found) => `${found.location.path}:${found.location.start.line}`),
  );
}

interface Diagnostic {
  readonly category: string;
  readonly location: { readonly path: string; readonly start: { readonly line: number } };
}
