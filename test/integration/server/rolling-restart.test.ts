import { afterAll, beforeAll, expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { describeLosses, startLoad } from '../../faults/fixtures/load';
import { closeAfterEach, pause } from '../../support/closers';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../../support/consul/start';
import { printFact } from '../../support/figure';
import { paymentsClient } from '../../support/payments';
import { type InstanceEnd, type InstanceProcess, startInstance } from './instance-process';

const INSTANCES = 4;
const CALLS_PER_SECOND = 300;
/** By then a Graylane client has seen that an instance went: 0.1 s as a rule, more on a machine that is busy. */
const SEEN_MS = 1_000;

const closing = closeAfterEach();

let cluster: ConsulCluster;
let consul: ConsulDatacenter;
beforeAll(async () => {
  cluster = await startConsul();
  consul = cluster.dc('dc1');
});
afterAll(() => cluster.stop());

it('a rolling restart of registered servers under load loses no call, and none is called after it went', async () => {
  const start = async (name: string): Promise<InstanceProcess> =>
    closing(await startInstance({ name, consul: consul.address, delayMs: 5, settleMs: 1_500 }), (one) => one.kill());
  const names = Array.from({ length: INSTANCES }, (_, index) => `p${index + 1}`);
  const running = await Promise.all(names.map(start));
  const graylane = closing(createGraylane({ consul: { address: consul.address } }), (one) => one.close());
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments', { timeoutMs: 10_000 });
  const load = startLoad(client, CALLS_PER_SECOND);
  const ends: (InstanceEnd | undefined)[] = [];
  for (const [index, name] of names.entries()) {
    await pause(300);
    ends.push(await running[index]?.terminate());
    // Its successor bears the same name, so that Consul sees one instance move.
    running[index] = await start(name);
  }
  await pause(500);
  await load.stop();
  const begun = ends.flatMap((end) => end?.calls ?? []);
  const lastMs = Math.max(0, ...begun);
  const slowest = Math.max(...load.calls.map(({ startedAtMs, endedAtMs }) => endedAtMs - startedAtMs));
  printFact(
    `rolling restart of ${INSTANCES} registered servers, ${CALLS_PER_SECOND} calls/s`,
    `lost ${load.lost.length} of ${load.calls.length}, last call at one that goes ${lastMs.toFixed(0)} ms after its SIGTERM, ` +
      `slowest call ${slowest.toFixed(0)} ms`,
  );
  expect(describeLosses(load.calls)).toBe('');
  // They answer for a good second, so a client that still calls them would be seen.
  expect(begun.filter((atMs) => atMs > SEEN_MS)).toEqual([]);
  expect(ends.map((end) => end?.code)).toEqual(names.map(() => 0));
  expect(load.calls.length).toBeGreaterThan(1_000);
}, 120_000);
