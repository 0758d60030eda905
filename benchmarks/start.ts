/**
 * What the library costs a process before its first call: processor time of loading it, beside loading grpc-js and the
 * OpenTelemetry API, and of its first policy. Each reading is a process of its own, the kinds in turn.
 *
 *     npm run bench -- start [--processes 25] [--json]
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from './report';

const library = join(__dirname, '..', 'dist', 'index.js');
const peers = "require('@grpc/grpc-js'); require('@opentelemetry/api');";
const client = `
  const { createGraylane } = require(${JSON.stringify(library)});
  const graylane = createGraylane({ instances: { payments: [{ address: '127.0.0.1', port: 1 }] } });`;
const policy = JSON.stringify({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
});

/** What has happened before, and what is measured. */
const KINDS = {
  peers: ['', peers],
  library: [peers, `require(${JSON.stringify(library)});`],
  'first policy': [`${peers}${client}`, `graylane.setPolicy('payments', ${policy});`],
} as const;
type Kind = keyof typeof KINDS;

function measure(kind: Kind): number {
  const [before, measured] = KINDS[kind];
  const program = `${before}
    const start = process.cpuUsage();
    ${measured}
    const { user, system } = process.cpuUsage(start);
    process.stdout.write(String((user + system) / 1000), () => process.exit(0));`;
  const options = { cwd: join(__dirname, '..'), encoding: 'utf8' } as const;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], options);
  if (stdout === '') throw new Error(stderr);
  return Number(stdout);
}

function main(): void {
  const { values } = parseArgs({
    options: { processes: { type: 'string', default: '25' }, json: { type: 'boolean', default: false } },
  });
  const readings: Record<Kind, number[]> = { peers: [], library: [], 'first policy': [] };
  const kinds = Object.keys(KINDS) as Kind[];
  for (let round = 0; round < Number(values.processes); round += 1) {
    for (const kind of kinds) readings[kind].push(measure(kind));
  }
  const at = (kind: Kind, share: number): number => {
    const sorted = readings[kind].toSorted((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  };
  const ratio = at('library', 0.5) / at('peers', 0.5);
  if (values.json) {
    const medians = Object.fromEntries(kinds.map((kind) => [kind, at(kind, 0.5)]));
    console.log(JSON.stringify({ medians, ratio }));
    return;
  }
  console.log(describeMachine());
  for (const kind of kinds) {
    const [low, median, high] = [0.1, 0.5, 0.9].map((share) => at(kind, share).toFixed(1));
    console.log(`${kind.padEnd(14)} ${median} ms of processor time (p10 ${low}, p90 ${high})`);
  }
  console.log(`library / peers ${ratio.toFixed(2)}`);
}

main();
