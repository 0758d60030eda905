import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGraylane, type GraylaneOptions } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { type RecordingProxy, startRecordingProxy } from '../../support/consul/recording-proxy';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';
import { runScript } from '../../support/run-script';

const IDLE = { 'grpc.client_idle_timeout_ms': 1_000 };
const KEY = 'graylane/policies/payments';
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const closing = closeAfterEach();

let consul: ConsulCluster;
let proxy: RecordingProxy;
let stable: PaymentsServer;
let canary: PaymentsServer;

beforeAll(async () => {
  consul = await startConsul({ mode: 'server' });
  proxy = await startRecordingProxy(consul.dc('dc1').address);
});

afterAll(async () => {
  await proxy.stop();
  await consul.stop();
});

beforeEach(async () => {
  stable = closing(await startPaymentsServer({ name: 'stable', version: 'stable' }), (one) => one.kill());
  canary = closing(await startPaymentsServer({ name: 'canary', version: 'canary' }), (one) => one.kill());
  await register(stable);
  await register(canary);
  await putPolicy('stable');
});

async function register({ name, version, host, port }: PaymentsServer): Promise<void> {
  await consul.dc('dc1').register({ name: 'payments', id: name, address: host, port, tags: [version] });
  // After a restart Consul holds a check that was set by hand to be critical until it is set again.
  await consul.dc('dc1').setStatus(name, 'passing');
}

async function putPolicy(to: string): Promise<void> {
  const subsets = { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } };
  await consul.dc('dc1').putKv(KEY, JSON.stringify({ schema: 1, service: 'payments', subsets, default: to }));
}

function open(options: GraylaneOptions = {}): ReturnType<typeof createGraylane> {
  const graylane = createGraylane({
    consul: { address: proxy.address },
    datacenters: ['dc1'],
    logger: silent,
    ...options,
  });
  return closing(graylane, (opened) => opened.close());
}

/** Waits until grpc-js has let go of everything, and with it the Graylane client of its queries. */
async function whenIdle(client: PaymentsClient): Promise<void> {
  await expect
    .poll(() => client.getChannel().getConnectivityState(false), { timeout: 5_000 })
    .toBe(grpc.connectivityState.IDLE);
  await expect.poll(() => proxy.openPaths()).toEqual([]);
}

describe('a channel that has been idle', () => {
  it('comes back with the policy and the instances of now, from its first call on', async () => {
    const graylane = open();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions(IDLE));
    expect((await charge(client)).version).toBe('stable');
    await whenIdle(client);

    await putPolicy('canary');
    const next = closing(await startPaymentsServer({ name: 'next', version: 'canary' }), (one) => one.kill());
    await register(next);
    await consul.dc('dc1').deregister('canary');
    canary.kill();
    expect((await charge(client)).servedBy).toBe('next');
    expect((await charge(client)).servedBy).toBe('next');

    // A second spell, on the very same resolver.
    await whenIdle(client);
    await putPolicy('stable');
    expect((await charge(client)).servedBy).toBe('stable');
    await consul.dc('dc1').deregister('next');
  });

  it('comes back with what it knew last while Consul is dead, and with the news when Consul is back', async () => {
    const graylane = open();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions(IDLE));
    expect((await charge(client)).version).toBe('stable');
    await whenIdle(client);
    await consul.dc('dc1').kill();
    try {
      expect((await charge(client)).version).toBe('stable');
      expect((await charge(client)).version).toBe('stable');
      expect(graylane.inspect().services[0]?.datacenters[0]?.reason).toBeDefined();
      expect(graylane.inspect().services[0]?.policy.failure).toContain(KEY);
    } finally {
      await consul.dc('dc1').restart();
    }
    await register(stable);
    await register(canary);
    await putPolicy('canary');
    await expect.poll(async () => (await charge(client)).version, { timeout: 20_000, interval: 100 }).toBe('canary');
  });
});

describe('closing a Graylane client', () => {
  it('waits for a call in flight, refuses what comes after, and may be asked twice', async () => {
    const graylane = open();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await charge(client);
    stable.behave({ delayMs: 500 });
    const inFlight = charge(client);
    await expect.poll(() => stable.calls).toBe(2);
    const order: string[] = [];
    const closes = [graylane.close(), graylane.close()].map((close) => close.then(() => order.push('closed')));
    void inFlight.then(() => order.push('answered'));
    await Promise.all(closes);
    expect(order).toEqual(['answered', 'closed', 'closed']);
    expect((await inFlight).servedBy).toBe('stable');
    await graylane.close();

    await expect(charge(client)).rejects.toThrow(/shut down|closed/);
    const closed = expect.objectContaining({ code: 'CLIENT_CLOSED', message: expect.stringContaining(graylane.name) });
    expect(() => paymentsClient(graylane.target('payments'), graylane.clientOptions())).toThrow(closed);
    expect(() => graylane.channel('payments', grpc.credentials.createInsecure())).toThrow(closed);
    await expect(graylane.ready('payments')).rejects.toEqual(closed);
    expect(() => graylane.explain('payments', { method: '/a/b' })).toThrow(closed);
    expect(() => graylane.register()).toThrow(closed);
    await expect.poll(() => proxy.openPaths()).toEqual([]);
    await expect.poll(() => stable.sessions.open).toBe(0);
  });

  it('waits no longer than closeTimeoutMs', async () => {
    const graylane = open({ closeTimeoutMs: 100 });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await charge(client);
    stable.behave({ delayMs: 4_000 });
    const inFlight = charge(client).catch((error: grpc.ServiceError) => error);
    await expect.poll(() => stable.calls).toBe(2);
    const beganAtMs = performance.now();
    await graylane.close();
    expect(performance.now() - beganAtMs).toBeLessThan(3_000);
    await inFlight;
  });

  it('ends calls that still wait for an answer from Consul', async () => {
    const graylane = open({ consul: { address: 'http://127.0.0.1:1' }, closeTimeoutMs: 50 });
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const waiting = charge(client, {}, { deadline: Date.now() + 10_000 });
    const outcome = expect(waiting).rejects.toMatchObject({ code: grpc.status.UNAVAILABLE });
    await pause(50);
    await graylane.close();
    await outcome;
  });

  it('ends a ready() that still waits', async () => {
    const graylane = open({ consul: { address: 'http://127.0.0.1:1' } });
    paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const ready = graylane.ready('payments', { timeoutMs: 20_000 });
    const outcome = expect(ready).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
    await pause(50);
    await graylane.close();
    await outcome;
  });

  it('leaves a closed channel closed, whoever asks it to connect', async () => {
    const graylane = open();
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await charge(client);
    client.close();
    await expect.poll(() => proxy.openPaths()).toEqual([]);
    expect(client.getChannel().getConnectivityState(true)).toBe(grpc.connectivityState.SHUTDOWN);
    await pause(100);
    expect(proxy.openPaths()).toEqual([]);
  });

  it('disposes with `await using`', async () => {
    const graylane = open();
    await graylane[Symbol.asyncDispose]();
    expect(() => graylane.register()).toThrow(/closed/);
  });
});

describe('a process that has closed its Graylane client', () => {
  const script = join(__dirname, 'fixtures', 'exit.ts');
  const run = (mode: string, address: string): ReturnType<typeof runScript> =>
    runScript(script, { MODE: mode, CONSUL: address });

  it.each([
    ['that was never used', 'unused', /^ended/],
    ['after calls', 'calls', /served 20/],
  ])('ends by itself: a Graylane client %s', async (_what, mode, says) => {
    const ended = await run(mode, consul.dc('dc1').address);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toMatch(says);
    expect(Number(/ended after (\d+) ms/.exec(ended.stdout)?.[1])).toBeLessThan(2_000);
  });

  it('ends by itself when nothing was ever ready, saying why', async () => {
    const ended = await run('not-ready', 'http://127.0.0.1:1');
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/not ready after 300 ms: .*127\.0\.0\.1:1/);
    expect(ended.stdout).toMatch(/DEADLINE_EXCEEDED.*payments: instances not known from Consul/);
    expect(ended.stdout).toMatch(/ended after \d{1,3} ms/);
  });

  it('ends by itself with calls and ready() still waiting', async () => {
    const ended = await runScript(script, { MODE: 'unfinished', CONSUL: 'http://127.0.0.1:1' }, [], 25_000);
    expect(ended.code).toBe(0);
    expect(ended.stderr).not.toMatch(/unhandled/i);
    expect(ended.stdout).toMatch(/UNAVAILABLE/);
    expect(ended.stdout).toMatch(/ended after \d{1,3} ms/);
  });
});
