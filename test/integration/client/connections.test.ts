import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument, type StaticInstance } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { loopbackAddress } from '../../support/consul/ports';
import { printFact } from '../../support/figure';
import { charge, paymentsClient } from '../../support/payments';
import { scriptArgs } from '../../support/script';

const ENDPOINTS = 1_000;
/** Where no other test has had a server whose clients may still dial its port. */
const HOST = loopbackAddress();
/** grpc-js lets go of an unreferenced connection at its pool's next sweep, up to 10 s later. */
const CLOSED_WITHIN_MS = 12_000;

const closing = closeAfterEach();

interface ManyServers {
  readonly ports: readonly number[];
  /** Ports of the connections opened and closed since the last `forget()`, one entry for each. */
  readonly opened: readonly number[];
  readonly closed: readonly number[];
  forget(): void;
}

async function startManyServers(count: number): Promise<ManyServers> {
  const child: ChildProcess = spawn(process.execPath, scriptArgs(join(__dirname, 'fixtures', 'many-servers.ts')), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, COUNT: String(count), HOST },
  });
  closing(child, (one) => one.kill('SIGKILL'));
  let opened: number[] = [];
  let closed: number[] = [];
  const ports = await new Promise<number[]>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the servers ended with ${String(code)}`)));
    child.on('message', (message: { ports?: number[]; opened?: number; closed?: number }) => {
      if (message.opened !== undefined) opened.push(message.opened);
      if (message.closed !== undefined) closed.push(message.closed);
      if (message.ports !== undefined) resolve(message.ports);
    });
  });
  return {
    ports,
    get opened() {
      return opened;
    },
    get closed() {
      return closed;
    },
    forget: () => {
      opened = [];
      closed = [];
    },
  };
}

function policy(round: number): PolicyDocument {
  const weight = (round * 7) % 101;
  const [first, second] = round % 2 === 0 ? (['even', 'odd'] as const) : (['odd', 'even'] as const);
  return {
    schema: 1,
    service: 'payments',
    // What the subsets mean changes too: everybody is in another one, and nobody leaves.
    subsets: { stable: { tags: [first] }, canary: { tags: [second] } },
    default: 'stable',
    routes: [
      {
        name: 'everyone',
        split: [
          { to: 'stable', weight: 101 - weight },
          { to: 'canary', weight },
        ],
      },
    ],
    balancing: { algorithm: round % 3 === 0 ? 'round_robin' : 'peak_ewma' },
  };
}

describe('the connections of a channel to 1,000 endpoints', { timeout: 100_000 }, () => {
  it('change by one when one endpoint is replaced, and not at all under 100 policy swaps', async () => {
    const servers = await startManyServers(ENDPOINTS + 1);
    const instances = servers.ports.map(
      (port, index): StaticInstance => ({ address: HOST, port, tags: [index % 2 === 0 ? 'even' : 'odd'] }),
    );
    const graylane = closing(
      createGraylane({
        instances: { payments: instances.slice(0, ENDPOINTS) },
        policies: { payments: policy(0) },
      }),
      (opened) => opened.close(),
    );
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const beganAtMs = performance.now();
    await charge(client, {}, { deadline: Date.now() + 20_000 });
    await expect.poll(() => servers.opened.length, { timeout: 20_000 }).toBe(ENDPOINTS);
    printFact('connected to 1,000 endpoints', `after ${(performance.now() - beganAtMs).toFixed(0)} ms`);
    expect(new Set(servers.opened).size).toBe(ENDPOINTS);
    expect(servers.closed).toEqual([]);
    servers.forget();

    graylane.setInstances('payments', instances.slice(1));
    const replacedAtMs = performance.now();
    await expect.poll(() => servers.closed.length, { timeout: CLOSED_WITHIN_MS, interval: 20 }).toBe(1);
    const closedAfterMs = performance.now() - replacedAtMs;
    expect(servers.closed).toEqual([servers.ports[0]]);
    expect(servers.opened).toEqual([servers.ports[ENDPOINTS]]);
    printFact('1 of 1,000 replaced', `1 opened, 1 closed after ${(closedAfterMs / 1_000).toFixed(1)} s, 999 untouched`);

    for (let round = 1; round <= 100; round += 1) {
      graylane.setPolicy('payments', policy(round));
      await charge(client);
      await pause(5);
    }
    // As long as a connection that was let go by mistake would take to be closed.
    await pause(CLOSED_WITHIN_MS);
    expect(servers.opened).toEqual([servers.ports[ENDPOINTS]]);
    expect(servers.closed).toEqual([servers.ports[0]]);
    printFact('100 policy swaps over 1,000 endpoints', '0 opened, 0 closed');
  });
});
