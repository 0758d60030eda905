import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { paymentsClient } from '../support/payments';
import { startServerProcess } from '../support/server-process';
import { openGraylane, slowestMs, startedBetween, startLoad } from './fixtures/load';

const closing = closeAfterEach();

describe('an endpoint whose connection hangs, its first packet being dropped', () => {
  it('keeps nobody waiting, and is tried afresh once it can be reached', { timeout: 60_000 }, async () => {
    const [victim, others] = await Promise.all([
      startServerProcess({ names: ['victim'], backlog: 1 }),
      startServerProcess({ names: ['a', 'b'] }),
    ]);
    for (const each of [victim, others]) closing(each, (one) => one.kill());
    victim.freeze();
    const [target] = victim.instances;
    // They fill the kernel's queue of connections that nobody accepts; the next one's first packet is dropped.
    const fillers: Socket[] = Array.from({ length: 2 }, () => connect(target?.port ?? 0, target?.host));
    for (const filler of fillers)
      closing(
        filler.on('error', () => {}),
        (one) => one.destroy(),
      );
    await pause(200);

    const graylane = closing(openGraylane([...victim.instances, ...others.instances]), (opened) => opened.close());
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const begunAtMs = performance.now();
    const load = startLoad(client, 100, 5_000);
    const hanging = () => graylane.inspect().services[0]?.endpoints.find(({ instance }) => instance === 'victim');
    await expect
      .poll(hanging, { timeout: 15_000 })
      .toMatchObject({ connections: ['transient-failure'], failure: 'not connected within 2000 ms' });
    await pause(2_000);
    const firstMs = (load.calls[0]?.endedAtMs ?? Number.POSITIVE_INFINITY) - begunAtMs;
    victim.thaw();
    const thawedAtMs = performance.now();
    const backCall = () =>
      startedBetween(load.calls, thawedAtMs, Number.POSITIVE_INFINITY).find(({ servedBy }) => servedBy === 'victim');
    await expect.poll(backCall, { timeout: 30_000 }).toBeDefined();
    await load.stop();
    const back = backCall();
    // What the machine adds to any call, it adds to the first.
    const late = slowestMs(load.calls.slice(100));
    const backMs = (back?.endedAtMs ?? Number.POSITIVE_INFINITY) - thawedAtMs;
    printFact(
      '1 of 3 drops the first packet of connections',
      `${load.lost.length} / ${load.calls.length} lost, first answer after ${Math.round(firstMs)} ms, in use ${Math.round(backMs)} ms after it could be reached`,
    );
    expect(load.lost).toEqual([]);
    // Whoever waits for the endpoint that hangs waits for two seconds.
    expect(firstMs).toBeLessThan(1_000 + 3 * late);
    expect(backMs).toBeLessThan(10_000 + late);
  });
});
