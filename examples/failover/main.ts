// An instance is killed, another is frozen, the canary begins to fail and is cured, while 100 calls a second go on.
import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGraylane, definePolicy, type Graylane } from 'graylane';
import { createPaymentsClient, expectThat } from '../shared/payments';

const policy = definePolicy({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [
    {
      name: 'everyone',
      split: [
        { to: 'stable', weight: 80 },
        { to: 'canary', weight: 20 },
      ],
    },
  ],
  // Without retry a call runs at most once. Charging twice does no harm here, so calls may run again, after INTERNAL too.
  retry: { maxAttempts: 3, retryableStatusCodes: ['UNAVAILABLE', 'INTERNAL'] },
  // Sooner than the defaults, so that the example is short.
  breaker: { resetTimeoutMs: 1_000, maxResetTimeoutMs: 2_000 },
  subsetBreaker: { resetTimeoutMs: 1_000, maxResetTimeoutMs: 2_000 },
});

interface Ended {
  readonly atMs: number;
  /** Undefined: lost. */
  readonly servedBy: string | undefined;
}

async function startInstance(id: string, version: string): Promise<{ id: string; child: ChildProcess; port: number }> {
  const child = fork(require.resolve('./instance.cjs'), [id, version], { execArgv: [] });
  process.on('exit', () => child.kill('SIGKILL'));
  const port = await new Promise<number>((resolve) => child.once('message', (message) => resolve(Number(message))));
  return { id, child, port };
}

function startCalls(graylane: Graylane): { readonly ended: Ended[]; stop(): void } {
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  const ended: Ended[] = [];
  const timer = setInterval(() => {
    client.charge({ order: 'o-1' }, graylane.metadata({}), { deadline: Date.now() + 500 }, (error, reply) => {
      ended.push({ atMs: performance.now(), servedBy: error === null ? reply?.servedBy : undefined });
    });
  }, 10);
  return {
    ended,
    stop: () => {
      clearInterval(timer);
      client.close();
    },
  };
}

async function main(): Promise<void> {
  const ids = ['stable-1', 'stable-2', 'stable-3', 'stable-4', 'canary-1', 'canary-2'];
  const instances = await Promise.all(ids.map((id) => startInstance(id, id.split('-')[0] ?? '')));
  const childOf = (id: string): ChildProcess | undefined => instances.find((each) => each.id === id)?.child;
  const graylane = createGraylane({
    instances: {
      payments: instances.map(({ id, port }) => ({
        id,
        address: '127.0.0.1',
        port,
        tags: [id.split('-')[0] ?? ''],
      })),
    },
    policies: { payments: policy },
  });
  await graylane.ready('payments');
  const { ended, stop } = startCalls(graylane);
  const since = (atMs: number): Ended[] => ended.filter((each) => each.atMs >= atMs);
  const lostSince = (atMs: number): number => since(atMs).filter((each) => each.servedBy === undefined).length;
  const servedBy = async (prefix: string, limitMs: number): Promise<number> => {
    const fromMs = performance.now();
    while (performance.now() - fromMs < limitMs) {
      if (since(fromMs).some((each) => each.servedBy?.startsWith(prefix))) return performance.now() - fromMs;
      await sleep(20);
    }
    return Number.POSITIVE_INFINITY;
  };
  await sleep(1_000);

  let fromMs = performance.now();
  childOf('stable-1')?.kill('SIGKILL');
  await sleep(2_000);
  expectThat(
    lostSince(fromMs) === 0,
    `stable-1 was killed: ${lostSince(fromMs)} of ${since(fromMs).length} calls lost`,
  );

  fromMs = performance.now();
  childOf('stable-2')?.kill('SIGSTOP');
  await sleep(3_000);
  // A call that waits for a frozen instance has no time left to be retried.
  expectThat(lostSince(fromMs) <= 5, `stable-2 was frozen: ${lostSince(fromMs)} of ${since(fromMs).length} calls lost`);
  childOf('stable-2')?.kill('SIGCONT');
  const thawedMs = await servedBy('stable-2', 6_000);
  expectThat(thawedMs <= 6_000, `stable-2 goes on: answers again after ${Math.round(thawedMs)} ms`);

  fromMs = performance.now();
  for (const id of ['canary-1', 'canary-2']) childOf(id)?.send('fail');
  await sleep(4_000);
  const open = graylane.breakers.list().filter(({ key, state, lastFailure }) => {
    return state !== 'closed' && (key.startsWith('canary@') || lastFailure?.reason === 'a bug in this version');
  });
  expectThat(open.length > 0, `the canary fails: ${open.map(({ key, state }) => `${key} ${state}`).join(', ')}`);
  expectThat(
    lostSince(fromMs) === 0,
    `stable took its calls: ${lostSince(fromMs)} of ${since(fromMs).length} calls lost`,
  );
  for (const id of ['canary-1', 'canary-2']) childOf(id)?.send('cure');
  const curedMs = await servedBy('canary', 10_000);
  expectThat(curedMs <= 10_000, `the canary is cured: answers again after ${Math.round(curedMs)} ms`);

  stop();
  await graylane.close();
  for (const { child } of instances) child.kill('SIGKILL');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
