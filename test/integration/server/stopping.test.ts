import { createServer } from 'nice-grpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DrainableServer, drainServer, registerInstance, stopOnSignals } from '../../../src/server';
import { closeAfterEach, pause } from '../../support/closers';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../../support/consul/start';
import { charge, Payments, paymentsClient } from '../../support/payments';
import { untilReady } from '../../support/until-ready';
import { startHealthyServer } from './grpc-server';
import { startInstance } from './instance-process';

const closing = closeAfterEach();
const silent = { debug() {}, info() {}, warn() {}, error() {} };

let cluster: ConsulCluster;
let consul: ConsulDatacenter;
beforeAll(async () => {
  cluster = await startConsul();
  consul = cluster.dc('dc1');
});
afterAll(() => cluster.stop());

async function isRegistered(id: string): Promise<boolean> {
  const services = (await (await consul.request('GET', '/v1/agent/services')).json()) as Record<string, unknown>;
  return Object.hasOwn(services, id);
}

describe('stopping a registered server', () => {
  it('goes in order: out of Consul, some time for clients, NOT_SERVING, no new calls, the last one answered', async () => {
    const { server, health, port } = await startHealthyServer({ delayMs: 600 });
    const events: string[] = [];
    const reporting = {
      setStatus: (service: string, status: 'SERVING' | 'NOT_SERVING') => {
        events.push(`${status} "${service}"`);
        health.setStatus(service, status);
      },
    };
    const registration = registerInstance({
      name: 'payments',
      id: 'p1',
      port,
      address: '127.0.0.1',
      server,
      health: reporting,
      check: { type: 'grpc', service: 'shop' },
      settleMs: 400,
      consul: { address: consul.address },
    });
    await registration.registered();
    expect(events.splice(0)).toEqual(['SERVING ""', 'SERVING "shop"']);
    const client = closing(paymentsClient(`127.0.0.1:${port}`), (one) => one.close());
    await charge(client);
    const stopped = registration.stop().then((report) => {
      events.push('stopped');
      return report;
    });
    await expect.poll(() => isRegistered('p1'), { interval: 10 }).toBe(false);
    events.push('deregistered');
    // A client that has not seen it yet is served as ever, and its call is in flight when the server shuts down.
    const late = charge(client).then(() => events.push('answered'));
    await late;
    expect(await stopped).toEqual({ deregistered: true, drained: true });
    expect(events).toEqual(['deregistered', 'NOT_SERVING ""', 'NOT_SERVING "shop"', 'answered', 'stopped']);
    await expect(charge(client, {}, { deadline: Date.now() + 500 })).rejects.toThrow();
  });

  it('cuts off what does not end within the grace', async () => {
    const { server, port } = await startHealthyServer({ delayMs: 5_000 });
    const client = closing(paymentsClient(`127.0.0.1:${port}`), (one) => one.close());
    const lost = charge(client).catch(({ code }: { code: number }) => code);
    await pause(200);
    expect(await drainServer({ server, settleMs: 0, graceMs: 200 })).toEqual({ drained: false });
    expect(await lost).not.toBe(0);
  });

  it('is refused with wrong options before anything happens', () => {
    expect(() => drainServer({ settleMs: Number.NaN })).toThrow('drain.settleMs: NaN (expected: 0..600000)');
    expect(() => drainServer({ server: { shutdown: () => Promise.resolve() } as never })).toThrow(
      'drain.server: object (expected: an object with tryShutdown() and forceShutdown(), or shutdown() and forceShutdown(), or close())',
    );
  });
});

/** What can be drained, and where it is reached. Its calls take `delayMs`. */
const SERVERS: Readonly<Record<string, (delayMs: number) => Promise<{ server: DrainableServer; port: number }>>> = {
  'grpc-js': (delayMs) => startHealthyServer({ delayMs }),
  'nice-grpc': async (delayMs) => {
    const server = closing(createServer(), (one) => one.forceShutdown());
    const Charge = async (): Promise<object> => {
      await pause(delayMs);
      return {};
    };
    server.add(Payments.service as never, { Charge, Watch() {}, Upload() {}, Converse() {} } as never);
    return { server, port: await server.listen('127.0.0.1:0') };
  },
  // What an application of NestJS is to us: see examples/nestjs for a real one.
  'close() alone': async (delayMs) => {
    const { server, port } = await startHealthyServer({ delayMs });
    closing(server, (one) => one.forceShutdown());
    return { server: { close: () => new Promise((resolve) => server.tryShutdown(resolve)) }, port };
  },
};

describe.each(Object.entries(SERVERS))('draining a server of %s', (_, start) => {
  it('lets the call in flight end, takes no new one, and says whether it was cut off', async () => {
    const quick = await start(700);
    const client = closing(paymentsClient(`127.0.0.1:${quick.port}`), (one) => one.close());
    // A call is at the server soon after it has begun, on a busy machine too.
    await untilReady(client);
    const inFlight = charge(client);
    await pause(150);
    expect(await drainServer({ server: quick.server, settleMs: 0 })).toEqual({ drained: true });
    await expect(inFlight).resolves.toBeDefined();
    await expect(charge(client, {}, { deadline: Date.now() + 300 })).rejects.toThrow();

    const stuck = await start(5_000);
    const other = closing(paymentsClient(`127.0.0.1:${stuck.port}`), (one) => one.close());
    await untilReady(other);
    charge(other).catch(() => {});
    await pause(150);
    expect(await drainServer({ server: stuck.server, settleMs: 0, graceMs: 100 })).toEqual({ drained: false });
  });
});

describe('a process with many to stop', () => {
  it('listens once for each signal, stops all of them at one, and listens no more', async () => {
    const before = process.listenerCount('SIGUSR2');
    const stopped: number[] = [];
    const off = Array.from({ length: 12 }, (_, index) =>
      stopOnSignals({ stop: async () => void stopped.push(index) }, { signals: ['SIGUSR2'], logger: silent }),
    );
    expect(process.listenerCount('SIGUSR2')).toBe(before + 1);
    off[3]?.();
    process.emit('SIGUSR2', 'SIGUSR2');
    await expect.poll(() => stopped).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(process.listenerCount('SIGUSR2')).toBe(before);
  });

  it('stops the others when one fails, and says so by its exit code', async () => {
    const { exitCode } = process;
    const stopped: string[] = [];
    const options = { signals: ['SIGUSR2'], logger: silent } as const;
    stopOnSignals({ stop: () => Promise.reject(new Error('no')) }, options);
    stopOnSignals({ stop: async () => {} }, { ...options, afterwards: () => stopped.push('afterwards') });
    process.emit('SIGUSR2', 'SIGUSR2');
    await expect.poll(() => stopped).toEqual(['afterwards']);
    expect(process.exitCode).toBe(1);
    process.exitCode = exitCode;
  });
});

describe('SIGTERM', () => {
  it('lets calls in flight finish, and the process ends by itself', async () => {
    const instance = await startInstance({ name: 'p1', consul: consul.address, delayMs: 800, settleMs: 300 });
    closing(instance, (one) => one.kill());
    const client = closing(paymentsClient(`127.0.0.1:${instance.port}`), (one) => one.close());
    const inFlight = Promise.all(Array.from({ length: 50 }, () => charge(client)));
    await pause(100);
    const { code, calls, tookMs } = await instance.terminate();
    expect(await inFlight).toHaveLength(50);
    expect({ code, calls: calls.length }).toEqual({ code: 0, calls: 50 });
    expect(tookMs).toBeLessThan(4_000);
    expect(await isRegistered('p1')).toBe(false);
  });

  it('sent twice ends the process at once', async () => {
    const instance = await startInstance({ name: 'p2', consul: consul.address, settleMs: 60_000 });
    closing(instance, (one) => one.kill());
    instance.signal();
    await expect.poll(() => isRegistered('p2')).toBe(false);
    expect(await instance.terminate()).toMatchObject({ code: null });
  });
});
