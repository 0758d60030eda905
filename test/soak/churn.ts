import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createGraylane } from '../../src/index';
import { startLoad } from '../faults/fixtures/load';
import { quantile } from '../support/figure';
import { paymentsClient } from '../support/payments';
import { scriptArgs } from '../support/script';

/** How a client fares whose service changes all the time; see `churning-consul-fixture.ts` for what changes. */
export interface ChurnOptions {
  readonly count: number;
  /** Of the instances, replaced in a second. */
  readonly share: number;
  /** In so many answers' worth. */
  readonly steps: number;
  readonly seconds: number;
  readonly subsetSize: number | undefined;
  readonly callsPerSecond: number;
}

export interface ChurnFigures {
  readonly delayP50Ms: number;
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
  /** One `JSON.parse` of such an answer in a process of its own, in the same seconds; median. */
  readonly parseMs: number;
  readonly answerMb: number;
  readonly fetchesPerSecond: number;
  readonly swapsPerSecond: number;
  readonly heapMb: readonly number[];
  readonly calls: number;
  readonly lost: number;
  readonly losses: readonly string[];
  /** Of one core. */
  readonly cpu: number;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

export async function measureChurn(options: ChurnOptions): Promise<ChurnFigures> {
  const { count, share, steps, seconds, subsetSize, callsPerSecond } = options;
  const child = start('churning-consul-fixture.ts', { COUNT: count, SHARE: share, STEPS: steps });
  let parsing: ChildProcess | undefined;
  try {
    const [{ address }] = (await once(child, 'message')) as [{ address: string }];
    let served = 0;
    child.on('message', (message: { served: number }) => {
      served = message.served;
    });
    parsing = start('parsing-fixture.ts', { ADDRESS: address });
    const [{ answerBytes }] = (await once(parsing, 'message')) as [{ answerBytes: number }];
    const parsed = async (): Promise<number[]> => {
      parsing?.send({});
      const [{ parseMs }] = (await once(parsing as ChildProcess, 'message')) as [{ parseMs: number[] }];
      return parseMs;
    };
    const graylane = createGraylane({
      consul: { address },
      datacenters: ['dc1'],
      policies: {
        payments: { schema: 1, service: 'payments', balancing: subsetSize === undefined ? {} : { subsetSize } },
      },
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments', { timeoutMs: 60_000 });
    const wanted = Math.min(subsetSize ?? count, count);
    while (connected(graylane) < wanted * 0.98) await pause(250);
    const load = startLoad(client, callsPerSecond);
    child.send({ churning: true });
    await pause(3_000);
    collectGarbage();
    const heap = [heapMb()];
    await parsed();
    const before = { served, snapshot: version(graylane), cpu: process.cpuUsage(), atMs: performance.now() };
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    for (let part = 0; part < 4; part += 1) {
      await pause((seconds * 1000) / 4);
      delay.disable();
      collectGarbage();
      heap.push(heapMb());
      delay.enable();
    }
    delay.disable();
    const parseMs = quantile(await parsed(), 0.5);
    const elapsed = (performance.now() - before.atMs) / 1000;
    const used = process.cpuUsage(before.cpu);
    const swaps = version(graylane) - before.snapshot;
    await load.stop();
    await graylane.close();
    return {
      delayP50Ms: delay.percentile(50) / 1e6,
      delayP99Ms: delay.percentile(99) / 1e6,
      delayMaxMs: delay.max / 1e6,
      parseMs,
      answerMb: answerBytes / 2 ** 20,
      fetchesPerSecond: (served - before.served) / elapsed,
      swapsPerSecond: swaps / elapsed,
      heapMb: heap,
      calls: load.calls.length,
      lost: load.lost.length,
      losses: [...new Set(load.lost.map(({ error }) => error?.message ?? ''))].slice(0, 3),
      cpu: (used.user + used.system) / 1e6 / elapsed,
    };
  } finally {
    for (const one of [child, parsing]) {
      one?.disconnect();
      one?.kill('SIGKILL');
    }
  }
}

function start(script: string, env: Readonly<Record<string, string | number>>): ChildProcess {
  const texts = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)]));
  return spawn(process.execPath, scriptArgs(join(__dirname, script)), {
    env: { ...process.env, ...texts },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

type GraylaneClient = ReturnType<typeof createGraylane>;

function connected(graylane: GraylaneClient): number {
  const endpoints = graylane.inspect().services[0]?.endpoints ?? [];
  return endpoints.filter(({ connections }) => connections.includes('ready')).length;
}

function version(graylane: GraylaneClient): number {
  return graylane.inspect().services[0]?.snapshot ?? 0;
}

function heapMb(): number {
  return Math.round((process.memoryUsage().heapUsed / 2 ** 20) * 10) / 10;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

if (require.main === module) {
  const [count = '10000', share = '0.1', seconds = '15', subset = '1000', steps = '10'] = process.argv.slice(2);
  void measureChurn({
    count: Number(count),
    share: Number(share),
    steps: Number(steps),
    seconds: Number(seconds),
    subsetSize: subset === 'all' ? undefined : Number(subset),
    callsPerSecond: 100,
  }).then((figures) => console.log(JSON.stringify(figures, null, 1)));
}
