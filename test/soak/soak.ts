import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Random, seededRandom } from '../../src/base/random';
import { createGraylane, type Graylane } from '../../src/index';
import { charge, type PaymentsClient, paymentsClient } from '../support/payments';
import { answerFaults, pause, registryFaults, type SoakFault } from './faults';
import { startWorld, type World } from './world';

export interface SoakOptions {
  readonly seconds: number;
  /** The same faults in the same order for the same seed. */
  readonly seed: number;
  readonly callsPerSecond: number;
}

export interface SoakReport {
  readonly calls: number;
  /** What callers saw, and what was going on at the time. */
  readonly losses: readonly string[];
  /** How often each fault was applied, and for how long in all. */
  readonly faults: readonly { readonly name: string; readonly times: number; readonly seconds: number }[];
  /** Used, after a collection, at even intervals. */
  readonly heapMb: readonly number[];
  /** Connections to Consul. */
  readonly mostSockets: number;
  readonly requestsPerSecond: number;
  /** After the last fault. */
  readonly freshAfterMs: number;
  /** A change in each datacenter and one of the policy were heard of at the end. */
  readonly areWatchesAlive: boolean;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const SAMPLES = 12;
const RECOVERY_MS = 45_000;

export async function runSoak({ seconds, seed, callsPerSecond }: SoakOptions): Promise<SoakReport> {
  const world = await startWorld();
  const graylane = createGraylane({
    consul: { address: world.proxy.address, waitMs: 10_000 },
    datacenters: ['dc1', 'dc2'],
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
  try {
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    await graylane.ready('payments', { timeoutMs: 10_000 });
    const running = new Set<string>();
    const traffic = startTraffic(client, callsPerSecond, running);
    const applied = new Map<string, { times: number; seconds: number }>();
    const random = seededRandom(seed);
    const endsAtMs = performance.now() + seconds * 1000;
    const heapMb: number[] = [];
    let mostSockets = 0;
    const sampling = setInterval(
      async () => {
        mostSockets = Math.max(mostSockets, await world.proxy.connections());
      },
      Math.min(1_000, seconds * 20),
    );
    const requests = world.proxy.requests;
    const apply = (faults: readonly SoakFault[], drawn: Random): Promise<void> =>
      applyFaults(world, faults, drawn, endsAtMs, running, applied);
    const weather = [apply(registryFaults, random), apply(answerFaults, seededRandom(seed + 1))];
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      await pause((seconds * 1000) / SAMPLES);
      collectGarbage();
      heapMb.push(Math.round((process.memoryUsage().heapUsed / 2 ** 20) * 10) / 10);
    }
    await Promise.all(weather);
    clearInterval(sampling);
    const requestsPerSecond = (world.proxy.requests - requests) / seconds;
    const overAtMs = performance.now();
    await until(() => isFresh(graylane));
    const freshAfterMs = performance.now() - overAtMs;
    const areWatchesAlive = await hearsOfChanges(world, graylane);
    await traffic.stop();
    return {
      calls: traffic.calls,
      losses: traffic.losses,
      faults: [...applied].map(([name, each]) => ({ name, ...each })).sort((a, b) => (a.name < b.name ? -1 : 1)),
      heapMb,
      mostSockets,
      requestsPerSecond,
      freshAfterMs,
      areWatchesAlive,
    };
  } finally {
    await graylane.close();
    await world.stop();
  }
}

async function applyFaults(
  world: World,
  faults: readonly SoakFault[],
  random: Random,
  endsAtMs: number,
  running: Set<string>,
  applied: Map<string, { times: number; seconds: number }>,
): Promise<void> {
  let bag: SoakFault[] = [];
  while (performance.now() < endsAtMs) {
    // Every fault once before any comes again.
    if (bag.length === 0) bag = [...faults];
    const [fault] = bag.splice(Math.floor(random() * bag.length), 1) as [SoakFault];
    const lengthMs = 300 + random() * 1_700;
    const calmMs = 200 + random() * 800;
    const entry = applied.get(fault.name) ?? { times: 0, seconds: 0 };
    applied.set(fault.name, entry);
    running.add(fault.name);
    const began = performance.now();
    await fault.run(world, lengthMs);
    running.delete(fault.name);
    entry.times += 1;
    entry.seconds += (performance.now() - began) / 1000;
    await pause(calmMs);
  }
}

interface Traffic {
  readonly calls: number;
  readonly losses: readonly string[];
  stop(): Promise<void>;
}

/** Counts, and keeps nothing of a call that was answered. */
function startTraffic(client: PaymentsClient, perSecond: number, running: ReadonlySet<string>): Traffic {
  const losses: string[] = [];
  const out = new Set<Promise<void>>();
  const began = performance.now();
  let begun = 0;
  let calls = 0;
  const one = async (): Promise<void> => {
    const during = [...running].join(' + ');
    try {
      await charge(client, {}, { deadline: Date.now() + 2_000 });
    } catch (error) {
      losses.push(`${(error as Error).message} (during: ${during || 'calm'})`);
    }
    calls += 1;
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * perSecond;
    for (; begun < due; begun += 1) {
      const call = one().finally(() => out.delete(call));
      out.add(call);
    }
  }, 5);
  return {
    get calls() {
      return calls;
    },
    losses,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(out);
    },
  };
}

function isFresh(graylane: Graylane): boolean {
  const [service] = graylane.inspect().services;
  const datacenters = service?.datacenters ?? [];
  return datacenters.length === 2 && datacenters.every(({ freshness }) => freshness === 'fresh');
}

/** A change of each watched thing, made at Consul, arrives. */
async function hearsOfChanges(world: World, graylane: Graylane): Promise<boolean> {
  const counts = (): readonly number[] =>
    graylane.inspect().services[0]?.datacenters.map(({ critical }) => critical) ?? [];
  const index = (): string | undefined => graylane.inspect().services[0]?.policy.index;
  const former = index();
  await world.register(world.dc1, world.near.slice(0, 1), 'critical');
  await world.register(world.dc2, world.far.slice(0, 1), 'critical');
  await world.putPolicy(33);
  return until(() => counts().join() === '1,1' && index() !== former);
}

async function until(isSo: () => boolean): Promise<boolean> {
  const deadline = performance.now() + RECOVERY_MS;
  while (!isSo()) {
    if (performance.now() > deadline) return false;
    await pause(20);
  }
  return true;
}
