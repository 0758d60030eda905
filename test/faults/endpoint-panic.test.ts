import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { startServerProcess } from '../support/server-process';
import { connectAll, openGraylane, startedBetween, startLoad } from './fixtures/load';

const closing = closeAfterEach();

describe('when everybody answers with errors, fallbacks too', () => {
  it('calls spread evenly and are not multiplied', async () => {
    const [canary, stable] = await Promise.all([
      startServerProcess({ names: ['c0', 'c1'], version: 'canary' }),
      startServerProcess({ names: ['s0', 's1'], version: 'stable' }),
    ]);
    for (const each of [canary, stable]) closing(each, (one) => one.kill());
    const policy = {
      subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
      default: 'canary',
      retry: {},
    };
    const graylane = closing(openGraylane([...canary.instances, ...stable.instances], policy), (opened) =>
      opened.close(),
    );
    let probes = 0;
    graylane.breakers.subscribe(({ event }) => {
      if (event === 'halfOpen') probes += 1;
    });
    const client = await connectAll(graylane);
    for (const each of [canary, stable]) await each.behave({ code: grpc.status.UNAVAILABLE });
    const load = startLoad(client, 400);
    const attempts = async (): Promise<number[]> => [...(await canary.calls()), ...(await stable.calls())];
    await pause(2_000);
    const before = await attempts();
    const fromMs = performance.now();
    await pause(15_000);
    const after = await attempts();
    const callsIn = startedBetween(load.calls, fromMs, performance.now()).length;
    await load.stop();
    const each = after.map((count, index) => count - (before[index] ?? 0));
    const sum = each.reduce((total, count) => total + count, 0);
    const mean = sum / each.length;
    const farthest = Math.max(...each.map((count) => Math.abs(count / mean - 1)));
    const total = after.reduce((all, count) => all + count, 0);
    const perCall = total / load.calls.length;
    printFact(
      'all erroring, fallbacks too, 400 calls/s',
      `${load.lost.length} lost / ${load.calls.length}; attempts of the four ${each.join(', ')} (within ${(farthest * 100).toFixed(1)} %), ` +
        `attempts / calls ${perCall.toFixed(3)} with ${probes} probes (once settled ${(sum / callsIn).toFixed(3)})`,
    );
    // By chance too: a tenth at 400 calls a second, more where the machine makes fewer.
    expect(farthest).toBeLessThan(Math.max(0.1, 4 / Math.sqrt(mean)));
    // The retries of failed probes are made whatever is left of the budget, and count in it.
    expect(perCall).toBeLessThanOrEqual(1.2);
  });
});
