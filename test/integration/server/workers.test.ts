import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { registerInstance } from '../../../src/server';
import { startLoad } from '../../faults/fixtures/load';
import { closeAfterEach } from '../../support/closers';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../../support/consul/start';
import { paymentsClient } from '../../support/payments';
import { scriptArgs } from '../../support/script';

const closing = closeAfterEach();
const silent = { debug() {}, info() {}, warn() {}, error() {} };

let cluster: ConsulCluster;
let consul: ConsulDatacenter;
let stateDirectory: string;
beforeAll(async () => {
  cluster = await startConsul();
  consul = cluster.dc('dc1');
  stateDirectory = await mkdtemp(join(tmpdir(), 'gl-workers-'));
});
afterAll(async () => {
  await cluster.stop();
  await rm(stateDirectory, { recursive: true, force: true });
});

interface Listed {
  readonly Service: { readonly ID: string };
  readonly Checks: readonly { readonly Status: string }[];
}

/** The statuses of each instance. */
async function listed(name: string): Promise<readonly string[]> {
  const entries = (await (await consul.request('GET', `/v1/health/service/${name}`)).json()) as readonly Listed[];
  return entries.map(({ Checks }) => Checks.map(({ Status }) => Status).join());
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

it('workers that share a port are one instance, until the last of them leaves', async () => {
  const child: ChildProcess = closing(
    spawn(process.execPath, scriptArgs(join(__dirname, 'fixtures', 'cluster-process.ts')), {
      env: { ...process.env, CLUSTER: JSON.stringify({ consul: consul.address, stateDirectory, workers: 3 }) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    }),
    // The workers end with their primary, and that with its channel to the test.
    (started) => started.connected && started.disconnect(),
  );
  const [{ pids }] = (await once(child, 'message')) as [{ readonly pids: readonly number[] }];
  const [stopped = 0, killed = 0, last = 0] = pids;
  expect(await listed('payments')).toEqual(['passing,passing']);
  const graylane = closing(createGraylane({ consul: { address: consul.address }, logger: silent }), (one) =>
    one.close(),
  );
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments', { timeoutMs: 10_000 });

  const load = startLoad(client, 50);
  process.kill(stopped, 'SIGTERM');
  await expect.poll(() => isAlive(stopped), { timeout: 20_000 }).toBe(false);
  await load.stop();
  expect(load.lost.map(({ error }) => String(error))).toEqual([]);
  expect(await listed('payments')).toEqual(['passing,passing']);

  process.kill(killed, 'SIGKILL');
  await expect.poll(() => isAlive(killed), { timeout: 20_000 }).toBe(false);
  expect(await listed('payments')).toEqual(['passing,passing']);
  const after = startLoad(client, 50);
  await expect.poll(() => after.calls.length, { timeout: 10_000 }).toBeGreaterThan(20);
  await after.stop();
  expect(after.lost.map(({ error }) => String(error))).toEqual([]);

  process.kill(last, 'SIGTERM');
  await expect.poll(() => listed('payments'), { timeout: 20_000 }).toEqual([]);
  // It has left before it stops, and what the killed one left behind is gone.
  await expect.poll(() => isAlive(last), { timeout: 20_000 }).toBe(false);
  expect((await readdir(join(stateDirectory, 'host'))).filter((name) => name.startsWith('m-'))).toEqual([]);
});

describe('processes that register the same instance', () => {
  const open = (more: object = {}) =>
    closing(
      registerInstance({
        name: 'orders',
        port: 4_000,
        address: '127.0.0.1',
        check: 'none',
        settleMs: 0,
        stateDirectory,
        logger: silent,
        consul: { address: consul.address },
        ...more,
      }),
      (one) => one.stop(),
    );

  it('a predecessor does not take its successor out', async () => {
    const predecessor = open();
    await predecessor.registered();
    const successor = open();
    await successor.registered();
    expect(await predecessor.stop()).toEqual({ deregistered: false, drained: true, others: 1 });
    expect(await listed('orders')).toHaveLength(1);
    expect(await successor.stop()).toEqual({ deregistered: true, drained: true });
    expect(await listed('orders')).toEqual([]);
  });

  it.each([
    ['with ports of their own are instances of their own', { port: 4_001 }, 1],
    ['with IDs of their own are instances of their own', { id: 'other' }, 1],
    ['that are not to look for each other: whoever stops first takes it out', { stateDirectory: false }, 0],
  ])('%s', async (_what, more, left) => {
    const stays = open();
    const leaves = open(more);
    await Promise.all([stays.registered(), leaves.registered()]);
    expect(await leaves.stop()).toEqual({ deregistered: true, drained: true });
    expect(await listed('orders')).toHaveLength(left);
  });

  it('all that stop at once take it out', async () => {
    const workers = [open(), open(), open(), open()];
    await Promise.all(workers.map((worker) => worker.registered()));
    const reports = await Promise.all(workers.map((worker) => worker.stop()));
    expect(reports.some(({ deregistered }) => deregistered)).toBe(true);
    expect(await listed('orders')).toEqual([]);
  });
});
