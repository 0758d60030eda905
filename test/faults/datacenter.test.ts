import { describe, expect, it } from 'vitest';
import { createGraylane } from '../../src/index';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { paymentsClient } from '../support/payments';
import { type DatacenterProcess, startDatacenter } from './fixtures/datacenter-process';
import { lostOf, plainClient, type SteadyCalls, slowestMs, startCalls } from './fixtures/steady-calls';

const opened = closeAfterEach();

async function start(datacenter: string, ports: number | readonly number[]): Promise<DatacenterProcess> {
  return opened(await startDatacenter(datacenter, ports), (each) => each.kill());
}

/** `control` calls the last of the places alone, which stays well: what it loses, other load on the machine has taken. */
async function clients(
  places: readonly DatacenterProcess[],
  perSecond: number,
): Promise<{ ours: SteadyCalls; plain: SteadyCalls; control: SteadyCalls }> {
  const graylane = createGraylane({
    datacenters: ['dc1', 'dc2'],
    instances: { payments: places.flatMap(({ instances }) => instances) },
    policies: { payments: { schema: 1, service: 'payments', retry: {} } },
  });
  opened(graylane, () => graylane.close());
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  const rival = opened(plainClient(places.flatMap(({ ports }) => ports)), (each) => each.close());
  const unhurt = opened(plainClient(places.at(-1)?.ports ?? []), (each) => each.close());
  const [ours, plain, control] = [client, rival, unhurt].map((each) =>
    opened(startCalls(each, perSecond), (calls) => calls.stop()),
  ) as [SteadyCalls, SteadyCalls, SteadyCalls];
  return { ours, plain, control };
}

function shareOfDc1(calls: SteadyCalls, milliseconds: number): number {
  const last = calls.last(milliseconds);
  return last.filter(({ reply }) => reply.datacenter === 'dc1').length / last.length;
}

/** None on a quiet machine. */
function expectNoMoreLosses(ours: SteadyCalls, control: SteadyCalls): void {
  if (control.losses.length === 0) expect(ours.losses.map(({ error }) => error.details)).toEqual([]);
  else expect(ours.losses.length).toBeLessThanOrEqual(2 * control.losses.length);
}

describe('the local datacenter', () => {
  it('is killed: the other serves; restored: it serves again, gradually', { timeout: 50_000 }, async () => {
    const [dc1, dc2] = await Promise.all([start('dc1', 4), start('dc2', 4)]);
    const { ours, plain, control } = await clients([dc1, dc2], 100);
    const startedAtMs = performance.now();
    await expect.poll(() => ours.last(1_000).length).toBeGreaterThan(50);
    expect(shareOfDc1(ours, 1_000)).toBe(1);
    const killedAtMs = performance.now();
    await dc1.kill();
    await pause(2_000);
    const afterwards = ours.answers.filter(({ startedAtMs }) => startedAtMs > killedAtMs);
    const servedAfterMs = (afterwards[0]?.atMs ?? Number.POSITIVE_INFINITY) - killedAtMs;
    expect(servedAfterMs).toBeLessThanOrEqual(1_000 + slowestMs(control));
    expect(afterwards.every(({ reply }) => reply.datacenter === 'dc2')).toBe(true);

    const restored = await start('dc1', dc1.ports);
    const restoredAtMs = performance.now();
    const shares: number[] = [];
    while (performance.now() - restoredAtMs < 30_000 && (shares.at(-1) ?? 0) < 0.99) {
      await pause(1_000);
      shares.push(shareOfDc1(ours, 1_000));
    }
    const backAfterMs = performance.now() - restoredAtMs;
    await Promise.all([ours.stop(), plain.stop(), control.stop()]);
    printFact(
      'local datacenter killed and restored',
      `${lostOf(ours)}, served from the other after ${servedAfterMs.toFixed(0)} ms, all back after ${(backAfterMs / 1_000).toFixed(0)} s; round_robin over both: ${lostOf(plain)}`,
    );
    expectNoMoreLosses(ours, control);
    expect(restored.ports).toEqual(dc1.ports);
    expect(shares.at(-1)).toBeGreaterThanOrEqual(0.99);
    // A tenth of all calls more each second; no second takes over the half. With few calls in a second chance adds to that.
    const inASecond = ours.answers.length / ((performance.now() - startedAtMs) / 1_000);
    const most = 0.25 + 1 / Math.sqrt(inASecond);
    for (const [at, share] of shares.entries()) expect(share - (shares[at - 1] ?? 0)).toBeLessThan(most);
  });

  it('loses half of its instances: 70 % stay, 30 % go next door', { timeout: 40_000 }, async () => {
    const [half, rest, dc2] = await Promise.all([start('dc1', 2), start('dc1', 2), start('dc2', 4)]);
    const { ours, plain, control } = await clients([half, rest, dc2], 200);
    await pause(1_000);
    await half.kill();
    await pause(9_500);
    const share = shareOfDc1(ours, 9_000);
    await Promise.all([ours.stop(), plain.stop(), control.stop()]);
    printFact(
      'half of the local datacenter killed',
      `${lostOf(ours)}, ${(share * 100).toFixed(1)} % stayed local; round_robin over both: ${lostOf(plain)}`,
    );
    expectNoMoreLosses(ours, control);
    expect(share).toBeGreaterThanOrEqual(0.65);
    expect(share).toBeLessThanOrEqual(0.75);
  });
});
