// What telemetry costs: processor time of the client for one unary call, in processes of their own that take turns. Bars: metrics
// at most 1.05 x; a call with spans at most what one of plain grpc-js with OpenTelemetry's gRPC instrumentation costs.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROUNDS = Number(process.env['ROUNDS'] ?? 40);
const CALLS = 1_500;
const CALLS_A_COLLECTION = 15_000;
const WARM_UP_CALLS = 6_000;
const MOST_WITH_METRICS = 1.05;

const PLAIN = 'grpc-js';
const INSTRUMENTED = 'grpc-js with instrumentation-grpc';
const BARE = 'graylane';
const METRICS = 'graylane with metrics';
const SPANS = 'graylane with spans';
const ALL = [PLAIN, INSTRUMENTED, BARE, METRICS, SPANS];
const CASES = ALL.filter((name) => new RegExp(process.env['ONLY'] ?? '').test(name));

async function main(): Promise<void> {
  if (!existsSync(join(__dirname, '..', 'dist', 'index.js'))) throw new Error('dist: absent (expected: npm run build)');
  const server = start('server', {});
  const { port } = await answer<{ port: number }>(server);
  const workers = new Map<string, ChildProcess>();
  for (const name of CASES) {
    const worker = start(name, { SERVER_PORT: String(port) });
    await answer(worker);
    workers.set(name, worker);
  }
  const run = async (name: string, calls: number): Promise<number> => {
    const worker = workers.get(name) as ChildProcess;
    const answered = answer<{ microseconds: number; collection: number }>(worker);
    worker.send({ calls });
    const { microseconds, collection } = await answered;
    // A scrape every 15 s, at 1,000 calls a second.
    return microseconds + collection / CALLS_A_COLLECTION;
  };
  for (const name of CASES) await run(name, WARM_UP_CALLS);
  const samples = new Map<string, number[]>(CASES.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let turn = 0; turn < CASES.length; turn += 1) {
      const name = CASES[(turn + round) % CASES.length] as string;
      samples.get(name)?.push(await run(name, CALLS));
    }
  }
  for (const child of [...workers.values(), server]) child.disconnect();
  const of = (name: string): readonly number[] => samples.get(name) ?? [];
  for (const name of CASES) console.log(`${name.padEnd(36)} ${median(of(name)).toFixed(1).padStart(7)} us a call`);
  const paired = (name: string, other: string, by: (a: number, b: number) => number): number =>
    median(of(name).map((value, round) => by(value, of(other)[round] ?? Number.NaN)));
  const metrics = paired(METRICS, BARE, (a, b) => a / b);
  const added = paired(SPANS, BARE, (a, b) => a - b);
  const instrumented = paired(INSTRUMENTED, PLAIN, (a, b) => a - b);
  const spans = paired(SPANS, INSTRUMENTED, (a, b) => a / b);
  expectThat(metrics <= MOST_WITH_METRICS, `metrics: ${metrics.toFixed(3)} x (at most ${MOST_WITH_METRICS})`);
  expectThat(spans <= 1, `spans: ${spans.toFixed(3)} x of plain grpc-js with instrumentation-grpc (at most 1)`);
  console.log(
    `     added by two spans: ${added.toFixed(1)} us; by instrumentation-grpc's one: ${instrumented.toFixed(1)} us`,
  );
}

function start(role: string, env: Readonly<Record<string, string>>): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'telemetry-worker.ts')], {
    env: { ...process.env, ...env, ROLE: role },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  return child;
}

async function answer<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T];
  return message;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function expectThat(holds: boolean, what: string): void {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (!holds) process.exitCode = 1;
}

void main();
