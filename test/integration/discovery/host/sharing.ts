import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { pause } from '../../../support/closers';
import { startRecordingProxy } from '../../../support/consul/recording-proxy';
import { startConsul } from '../../../support/consul/start';
import { startPaymentsServer } from '../../../support/payments';
import { startWorker, type Worker } from './workers';

export interface SharingScene {
  readonly workers: number;
  readonly services: number;
  readonly changes: number;
  /** Of each worker. */
  readonly callsPerSecond: number;
}

export interface SharingFigures {
  /** Open at the agent while nothing changes, and the most that a look at every 20 ms found, from the first worker on. */
  readonly connections: number;
  readonly mostConnections: number;
  /** From the registration until a worker knows of it, for each change and worker. */
  readonly seenMs: readonly number[];
  /** From the end of the holder until another one has its place, and until the last worker knows of a change made then. */
  readonly takenOverMs: number;
  readonly seenAfterMs: number;
  readonly connectionsAfter: number;
  readonly calls: number;
  readonly lost: readonly string[];
  readonly warnings: readonly string[];
}

const WAVE = 4;

/** Workers of one host that watch the same services in two datacenters and make calls, while their holder is killed. */
export async function shareOnOneHost(scene: SharingScene): Promise<SharingFigures> {
  const closers: (() => unknown)[] = [];
  try {
    return await play(scene, (close) => void closers.push(close));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function play(scene: SharingScene, later: (close: () => unknown) => void): Promise<SharingFigures> {
  const consul = await startConsul({ datacenters: ['dc1', 'dc2'] });
  later(() => consul.stop());
  const proxy = await startRecordingProxy(consul.dc('dc1').address);
  later(() => proxy.stop());
  const stateDirectory = await mkdtemp(join(tmpdir(), 'gl-host-'));
  later(() => rm(stateDirectory, { recursive: true, force: true }));
  const services = ['payments', ...Array.from({ length: scene.services - 1 }, (_, index) => `s${index}`)];
  const server = await startPaymentsServer({ name: 'p1', version: 'stable', datacenter: 'dc1' });
  later(() => server.kill());
  await consul.dc('dc1').register({ name: 'payments', id: 'p1', address: server.host, port: server.port });
  await consul.dc('dc2').register({ name: 'payments', id: 'p2', address: server.host, port: server.port });
  for (const service of services) {
    await consul.dc('dc1').putKv(`graylane/policies/${service}`, JSON.stringify({ schema: 1, service }));
    if (service === 'payments') continue;
    for (const datacenter of consul.datacenters) {
      await datacenter.register({ name: service, address: '127.0.0.1', port: 9 });
    }
  }
  const settings = { address: proxy.address, stateDirectory, datacenters: ['dc1', 'dc2'], services };
  let mostConnections = 0;
  const look = setInterval(async () => {
    mostConnections = Math.max(mostConnections, await proxy.connections());
  }, 20);
  later(() => clearInterval(look));
  const workers: Worker[] = [];
  later(() => Promise.all(workers.map((worker) => worker.kill())));
  while (workers.length < scene.workers) {
    // To start a process takes most of a second of a core: all at once they would take each other's time.
    const wave = Array.from({ length: Math.min(WAVE, scene.workers - workers.length) }, () =>
      startWorker({ ...settings, callsPerSecond: scene.callsPerSecond }),
    );
    workers.push(...wave);
    await expect.poll(() => wave.filter(({ isReady }) => !isReady).length, { timeout: 120_000 }).toBe(0);
  }
  await expect.poll(() => holders(workers).length, { timeout: 10_000 }).toBe(1);
  const asked = services.length * 3;
  const blocking = (): number => proxy.openPaths().filter((path) => path.includes('index=')).length;
  // Whoever asked for itself meanwhile does so until Consul answers, which may take as long as it lets a query wait.
  await expect.poll(blocking, { timeout: 80_000 }).toBe(asked);
  /** The fewest within ten seconds: Node keeps one that nobody uses for five. */
  const connectionsAtRest = async (): Promise<number> => {
    let fewest = Number.POSITIVE_INFINITY;
    for (let look = 0; look < 100 && fewest > asked; look += 1) {
      fewest = Math.min(fewest, await proxy.connections());
      if (fewest > asked) await pause(100);
    }
    return fewest;
  };
  // Calls are under way in each.
  for (const worker of workers) {
    if (scene.callsPerSecond > 0) {
      await expect.poll(async () => (await worker.calls()).count, { timeout: 60_000 }).toBeGreaterThan(0);
    }
  }
  const connections = await connectionsAtRest();

  const seenMs: number[] = [];
  let made = 0;
  const change = async (watching: readonly Worker[]): Promise<number[]> => {
    made += 1;
    const id = `c${made}`;
    const name = services[1 + (made % (services.length - 1))] ?? '';
    const beganMs = performance.timeOrigin + performance.now();
    await consul.dc(made % 2 === 0 ? 'dc1' : 'dc2').register({ name, id, address: '127.0.0.1', port: 10 + made });
    await expect
      .poll(() => watching.filter((worker) => worker.sawAtMs(id) === undefined).length, { timeout: 20_000 })
      .toBe(0);
    return watching.map((worker) => (worker.sawAtMs(id) ?? 0) - beganMs);
  };
  for (let each = 0; each < scene.changes; each += 1) {
    seenMs.push(...(await change(workers)));
    await pause(250);
  }

  const [holder] = holders(workers);
  if (holder === undefined) throw new Error('nobody is the holder');
  const others = workers.filter((worker) => worker !== holder);
  const killedMs = performance.timeOrigin + performance.now();
  await holder.kill();
  const seenAfterMs = Math.max(...(await change(others)));
  await expect.poll(() => holders(others).length, { timeout: 10_000 }).toBe(1);
  const takenOverMs = (holders(others)[0]?.holderSinceMs ?? Number.NaN) - killedMs;
  await expect.poll(blocking, { timeout: 80_000 }).toBe(asked);
  const connectionsAfter = await connectionsAtRest();
  const ended = scene.callsPerSecond === 0 ? [] : await Promise.all(others.map((worker) => worker.calls()));
  return {
    connections,
    mostConnections,
    seenMs,
    takenOverMs,
    seenAfterMs,
    connectionsAfter,
    calls: ended.reduce((sum, { count }) => sum + count, 0),
    lost: ended.flatMap(({ lost }) => lost),
    warnings: workers.flatMap(({ warnings }) => warnings),
  };
}

function holders(workers: readonly Worker[]): Worker[] {
  return workers.filter(({ isHolder }) => isHolder);
}
