import { describe, expect, it } from 'vitest';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { charge, type PaymentsClient, tally } from '../support/payments';
import { startServerProcess } from '../support/server-process';
import { connectAll, describeLosses, openGraylane, roundRobin, startLoad } from './fixtures/load';

const closing = closeAfterEach();

async function open(): Promise<{ client: PaymentsClient; plain: PaymentsClient; kill: () => Promise<void> }> {
  const [victim, others] = await Promise.all([
    startServerProcess({ names: ['victim'] }),
    startServerProcess({ names: ['a', 'b', 'c'] }),
  ]);
  for (const each of [victim, others]) closing(each, (one) => one.kill());
  const instances = [...victim.instances, ...others.instances];
  const graylane = closing(openGraylane(instances, { retry: {} }), (opened) => opened.close());
  const plain = closing(await roundRobin(instances), (opened) => opened.close());
  return { client: await connectAll(graylane), plain, kill: () => victim.kill() };
}

describe('one of four instances is killed', () => {
  it('at 100 calls a second: no call is lost', async () => {
    const { client, plain, kill } = await open();
    const load = startLoad(client);
    const plainLoad = startLoad(plain);
    await pause(2_000);
    await kill();
    await pause(4_000);
    await Promise.all([load.stop(), plainLoad.stop()]);
    printFact(
      'instance killed, 100 calls/s',
      `${load.lost.length} lost / ${load.calls.length}; round_robin ${plainLoad.lost.length} / ${plainLoad.calls.length}`,
    );
    expect(describeLosses(load.lost)).toBe('');
    expect(load.calls.filter(({ servedBy }) => servedBy === 'victim').length).toBeGreaterThan(20);
  });

  it('at half of what round_robin can do: no call is lost', async () => {
    const { client, plain, kill } = await open();
    const capacity = await capacityOf(plain);
    const load = startLoad(client, capacity / 2);
    await pause(2_000);
    await kill();
    await pause(3_000);
    await load.stop();
    const plainLost = 'measured at 100 calls/s above';
    printFact(
      `instance killed, ${Math.round(capacity / 2)} calls/s (half of round_robin's ${Math.round(capacity)})`,
      `${load.lost.length} lost / ${load.calls.length}; round_robin ${plainLost}`,
    );
    expect(describeLosses(load.lost)).toBe('');
  });
});

/** Calls a second with 32 callers, each waiting for its answer. */
async function capacityOf(client: PaymentsClient): Promise<number> {
  const measure = async (calls: number): Promise<number> => {
    const begunAtMs = performance.now();
    await tally(
      calls,
      ({ servedBy }) => servedBy,
      () => charge(client),
    );
    return (calls / (performance.now() - begunAtMs)) * 1000;
  };
  await measure(1_000);
  return measure(4_000);
}
