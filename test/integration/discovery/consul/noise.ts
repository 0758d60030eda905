import { connect, createServer } from 'node:net';
import { pause } from '../../../support/closers';
import { type ConsulDatacenter, startConsul } from '../../../support/consul/start';
import { ids, openSource, record } from '../../../unit/client/discovery/consul/recorder';

export interface NoiseFigures {
  /** Read from the agent each second, while only outputs of checks change. */
  readonly bytesPerSecond: number;
  readonly answersPerSecond: number;
  /** Of one answer as it is. */
  readonly answerBytes: number;
  /** From a registration until it is heard of. */
  readonly heardMs: readonly number[];
}

export interface NoiseScene {
  readonly instances: number;
  readonly changesPerSecond: number;
  /** Measured for so long, after as long as `settleMs`. */
  readonly settleMs: number;
  readonly forMs: number;
  readonly realChanges: number;
}

/** A service whose checks say something else all the time, and mean the same; now and then an instance really comes. */
export async function hearThroughNoise(scene: NoiseScene): Promise<NoiseFigures> {
  const consul = await startConsul();
  const dc1 = consul.dc('dc1');
  const relay = await startCountingRelay(dc1.address);
  const bench = openSource({ address: relay.address }, ['dc1']);
  let flapping: Promise<void> = Promise.resolve();
  const stop = new AbortController();
  try {
    for (let at = 0; at < scene.instances; at += 50) {
      const batch = Array.from({ length: Math.min(50, scene.instances - at) }, (_, index) => put(dc1, at + index));
      await Promise.all(batch);
    }
    const answerBytes = (await (await dc1.request('GET', '/v1/health/service/pay')).arrayBuffer()).byteLength;
    const seen = record(bench.source, 'pay');
    await seen.until((state) => ids(state, 'dc1').length === scene.instances);
    flapping = flap(dc1, scene, stop.signal);
    await pause(scene.settleMs);
    const before = { bytes: relay.bytes(), answers: relay.answers(), atMs: performance.now() };
    await pause(scene.forMs);
    const seconds = (performance.now() - before.atMs) / 1000;
    const bytesPerSecond = (relay.bytes() - before.bytes) / seconds;
    const answersPerSecond = (relay.answers() - before.answers) / seconds;
    const heardMs: number[] = [];
    for (let change = 0; change < scene.realChanges; change += 1) {
      const id = `pay-${scene.instances + change}`;
      const beganMs = performance.now();
      const told = put(dc1, scene.instances + change);
      await seen.until((state) => ids(state, 'dc1').includes(id));
      heardMs.push(performance.now() - beganMs);
      await told;
      // The next one falls elsewhere between two reads.
      await pause(250 + ((37 * change) % 200));
    }
    return { bytesPerSecond, answersPerSecond, answerBytes, heardMs };
  } finally {
    stop.abort();
    await flapping;
    bench.close();
    relay.stop();
    await consul.stop();
  }
}

async function flap(dc1: ConsulDatacenter, scene: NoiseScene, signal: AbortSignal): Promise<void> {
  for (let change = 0; !signal.aborted; change += 1) {
    await put(dc1, change % scene.instances);
    await pause(1000 / scene.changesPerSecond);
  }
}

/** Straight into the catalogue: an agent would hold an output back for minutes. */
async function put(dc1: ConsulDatacenter, index: number): Promise<void> {
  const id = `pay-${index}`;
  const answer = await dc1.request('PUT', '/v1/catalog/register', {
    Node: `node-${index}`,
    Address: `10.0.${index >> 8}.${index & 255}`,
    Service: { ID: id, Service: 'pay', Tags: ['stable'], Meta: { version: 'v1', zone: 'a' }, Port: 8000 },
    Check: {
      CheckID: `service:${id}`,
      ServiceID: id,
      Name: 'grpc',
      Status: 'passing',
      Output: `answered in ${(Math.random() * 100).toFixed(6)} ms`,
    },
  });
  await answer.arrayBuffer();
}

interface CountingRelay {
  readonly address: string;
  bytes(): number;
  answers(): number;
  stop(): void;
}

async function startCountingRelay(target: string): Promise<CountingRelay> {
  const { hostname, port } = new URL(target);
  let bytes = 0;
  let answers = 0;
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((inner) => {
    const outer = connect(Number(port), hostname);
    for (const socket of [inner, outer]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    outer.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (chunk.subarray(0, 9).toString('latin1') === 'HTTP/1.1 ') answers += 1;
    });
    inner.pipe(outer).pipe(inner);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address() as { port: number };
  return {
    address: `http://127.0.0.1:${bound.port}`,
    bytes: () => bytes,
    answers: () => answers,
    stop: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
